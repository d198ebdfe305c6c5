-- On the source: what the documents must hold once transaction $1[worker] of each worker is done, computed from the ledger.
WITH last AS (
    SELECT DISTINCT ON (document_id) document_id, worker, seq
    FROM public.ledger WHERE seq <= ($1::bigint[])[worker] ORDER BY document_id, seq DESC
)
SELECT count(*), encode(sha256(convert_to(string_agg(
           d.id || ':' || md5(coalesce(repeat(md5(l.worker || ':' || l.seq), 24), repeat(md5('0:' || d.id), 24))),
           ',' ORDER BY d.id), 'UTF8')), 'hex')
FROM public.document d LEFT JOIN last l ON l.document_id = d.id
