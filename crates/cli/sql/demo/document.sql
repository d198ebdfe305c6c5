-- Count and digest of the documents as they are.
SELECT count(*), encode(sha256(convert_to(string_agg(id || ':' || md5(body), ',' ORDER BY id), 'UTF8')), 'hex')
FROM public.document
