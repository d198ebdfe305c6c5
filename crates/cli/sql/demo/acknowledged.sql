-- On the source: for each worker the last transaction that was surely committed before the LSN $1. The row that was
-- written last below $1 may have been committed after it; the row before that one was not.
SELECT worker, greatest(max(seq) - 1, 0) FROM public.ledger WHERE at_lsn <= $1::pg_lsn GROUP BY worker ORDER BY worker
