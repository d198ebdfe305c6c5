-- Count and digest of the ledger up to transaction $1[worker] of each worker.
SELECT count(*), coalesce(encode(sha256(convert_to(string_agg(
           concat_ws(':', worker, seq, account_id, document_id, amount, at_lsn), ',' ORDER BY worker, seq), 'UTF8')), 'hex'), '')
FROM public.ledger WHERE seq <= ($1::bigint[])[worker]
