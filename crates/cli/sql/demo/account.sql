-- Count and digest of the accounts as they are.
SELECT count(*), encode(sha256(convert_to(string_agg(concat_ws(':', id, balance, changes), ',' ORDER BY id), 'UTF8')), 'hex')
FROM public.account
