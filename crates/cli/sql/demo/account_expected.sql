-- On the source: what the accounts must hold once transaction $1[worker] of each worker is done, computed from the ledger.
WITH done AS (
    SELECT account_id, sum(amount) AS amount, count(*) AS changes
    FROM public.ledger WHERE seq <= ($1::bigint[])[worker] GROUP BY account_id
)
SELECT count(*), encode(sha256(convert_to(string_agg(
           concat_ws(':', a.id, 1000 + coalesce(d.amount, 0), coalesce(d.changes, 0)), ',' ORDER BY a.id), 'UTF8')), 'hex')
FROM public.account a LEFT JOIN done d ON d.account_id = a.id
