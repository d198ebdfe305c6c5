-- For each worker the last transaction that is there, and how many there are: equal, unless one in between is missing.
SELECT worker, max(seq), count(*) FROM public.ledger GROUP BY worker ORDER BY worker
