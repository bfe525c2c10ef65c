-- The archive in months: makes cention_audit.record a table partitioned by the month in which records
-- were received, and keeps the records that it has. Optional; for archives that grow for years.
--
--     psql -v ON_ERROR_STOP=1 -d audit -f central-months.sql
--
-- once after central.sql, as the same role, and again every month at least (a timer, or pg_cron):
-- then it only makes the months that are missing, up to a year ahead. Where the present month has none, the
-- shippers get an error and wait. doc/central.md has what may become of old months.
--
-- What it does to the key: the column that a table is partitioned by must be in every key of the whole,
-- so each month has the key (log, seq, epoch), and the whole has none. That a place is taken once in all
-- months is what cention_audit.ship() sees to, as before: it holds the log's row, and takes nothing
-- but what comes directly behind the log's last record; what was there before is compared, whatever
-- its month. So the last record of every log must stay in an attached month.

\set ON_ERROR_STOP on
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL ROLE cention_audit_owner;
SET LOCAL search_path = pg_catalog, pg_temp;

-- Makes the months from the present one on; how many are new.
CREATE OR REPLACE FUNCTION cention_audit.months(ahead integer DEFAULT 12) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    made integer := 0;
    month timestamptz;
    name text;
BEGIN
    FOR i IN 0..ahead LOOP
        month := date_trunc('month', now()) + make_interval(months => i);
        name := 'record_' || to_char(month, 'YYYY_MM');
        CONTINUE WHEN to_regclass('cention_audit.' || name) IS NOT NULL;
        -- A month that the records from before the partitioning reach into belongs to them.
        CONTINUE WHEN month < (SELECT max(split_part(split_part(pg_get_expr(c.relpartbound, c.oid),
                                                                'TO (''', 2), '''', 1)::timestamptz)
                               FROM pg_class c WHERE c.oid = to_regclass('cention_audit.record_before'));
        EXECUTE format('CREATE TABLE cention_audit.%I PARTITION OF cention_audit.record '
                       '(PRIMARY KEY (log, seq, epoch)) FOR VALUES FROM (%L) TO (%L)',
                       name, month, month + interval '1 month');
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;
REVOKE ALL ON FUNCTION cention_audit.months(integer) FROM PUBLIC;

DO $$
DECLARE
    old record;
    next_month text;
BEGIN
    SET LOCAL timezone = 'UTC';
    next_month := date_trunc('month', now()) + interval '1 month';
    IF (SELECT relkind FROM pg_class WHERE oid = 'cention_audit.record'::regclass) = 'p' THEN
        RETURN;
    END IF;
    LOCK TABLE cention_audit.record IN ACCESS EXCLUSIVE MODE;
    -- The table with all that is there becomes the first partition, its key and indexes with it.
    ALTER TABLE cention_audit.record RENAME TO record_before;
    FOR old IN SELECT indexname FROM pg_indexes
               WHERE schemaname = 'cention_audit' AND tablename = 'record_before' LOOP
        EXECUTE format('ALTER INDEX cention_audit.%I RENAME TO %I', old.indexname,
                       replace(old.indexname, 'record_', 'record_before_'));
    END LOOP;
    CREATE TABLE cention_audit.record (LIKE cention_audit.record_before
        INCLUDING ALL EXCLUDING INDEXES) PARTITION BY RANGE (received);
    FOR old IN SELECT indexname, indexdef FROM pg_indexes
               WHERE schemaname = 'cention_audit' AND tablename = 'record_before'
                 AND indexdef NOT LIKE 'CREATE UNIQUE%' LOOP
        EXECUTE replace(replace(old.indexdef, 'record_before_', 'record_'),
                        'cention_audit.record_before', 'cention_audit.record');
    END LOOP;
    -- So that attaching needs no look at every record twice.
    EXECUTE format('ALTER TABLE cention_audit.record_before ADD CONSTRAINT before CHECK (received < %L)',
                   next_month);
    EXECUTE format('ALTER TABLE cention_audit.record ATTACH PARTITION cention_audit.record_before '
                   'FOR VALUES FROM (MINVALUE) TO (%L)', next_month);
    ALTER TABLE cention_audit.record_before DROP CONSTRAINT before;
    -- The view went with the table that it was made of.
    EXECUTE 'CREATE OR REPLACE VIEW cention_audit.change AS ' ||
            replace(pg_get_viewdef('cention_audit.change'::regclass), 'record_before', 'record');
    GRANT SELECT ON cention_audit.record TO cention_auditor;
END $$;

SELECT cention_audit.months() AS new_months;
COMMIT;
