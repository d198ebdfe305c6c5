-- Three tables whose right content can be computed from one of them: every transaction of the load writes one row of
-- the ledger, and what it did to the other two follows from that row.
CREATE TABLE public.account (id int PRIMARY KEY, balance bigint NOT NULL, changes bigint NOT NULL);
CREATE TABLE public.document (id int PRIMARY KEY, body text NOT NULL);
CREATE TABLE public.ledger (
    worker int,
    seq bigint,
    account_id int NOT NULL,
    document_id int NOT NULL,
    amount int NOT NULL,
    -- Where the WAL stood while this transaction ran: after the commit of the same worker's row before, and before its own.
    at_lsn pg_lsn NOT NULL DEFAULT pg_current_wal_insert_lsn(),
    PRIMARY KEY (worker, seq)
);
INSERT INTO public.account SELECT id, 1000, 0 FROM generate_series(1, 10000) id;
INSERT INTO public.document SELECT id, repeat(md5('0:' || id), 24) FROM generate_series(1, 60000) id;
