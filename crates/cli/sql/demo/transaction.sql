-- One transaction of one worker ($1) with its number ($2). A worker writes only documents of its own (three workers), so
-- that the last writer of each is known; accounts are shared, since sums do not depend on the order.
WITH picked AS MATERIALIZED (
    SELECT floor(random() * 10000)::int + 1 AS account_id,
           floor(random() * 20000)::int * 3 + $1::int AS document_id,
           floor(random() * 201)::int - 100 AS amount
), paid AS (
    UPDATE public.account a SET balance = a.balance + p.amount, changes = a.changes + 1
    FROM picked p WHERE a.id = p.account_id
), written AS (
    UPDATE public.document d SET body = repeat(md5($1::text || ':' || $2::text), 24)
    FROM picked p WHERE d.id = p.document_id
)
INSERT INTO public.ledger (worker, seq, account_id, document_id, amount)
SELECT $1::int, $2::bigint, account_id, document_id, amount FROM picked
