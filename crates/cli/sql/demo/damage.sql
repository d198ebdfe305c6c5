DO $$ BEGIN UPDATE public.account SET balance = 0; DROP TABLE public.document; END $$
