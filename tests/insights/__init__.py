"""A small Logs Insights: the part of the language that llmwatch's own queries use, in plain and slow Python.

It knows nothing of llmwatch. What AWS documents it does; a query whose answer hangs on what AWS does not document, as
what a comparison makes of null, it refuses.
"""
