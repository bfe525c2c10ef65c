-- The archive of record: every host's audit log in one PostgreSQL (15 or newer), schema 1.
--
--     psql -v ON_ERROR_STOP=1 -d audit -f central.sql
--
-- as a superuser, or as a role that may create roles, and schemas in this database, whose encoding
-- must be UTF8. Running it again changes nothing that is right, and brings an archive of an earlier version up
-- to date while hosts go on shipping: indexes are made beside them, and old records get their search
-- columns in steps. Then, for every host, a role of its
-- own, and for those who read:
--
--     CREATE ROLE host1 LOGIN PASSWORD '...' IN ROLE cention_shipper;
--     CREATE ROLE eve LOGIN PASSWORD '...' IN ROLE cention_auditor;
--
-- A shipper has no right on any table. What it may do are the functions below, which add to its own
-- logs and tell their ends: a log belongs to the login role that shipped its first record, and no
-- other can ship or ask for it. Nothing here updates or removes a record, and nobody but the owner
-- of the tables (cention_audit_owner, which nobody can log in as) and superusers can.

\set ON_ERROR_STOP on
BEGIN;
SET LOCAL client_min_messages = warning;

DO $$
DECLARE
    wanted name;
BEGIN
    IF current_setting('server_version_num')::int < 150000 THEN
        RAISE 'PostgreSQL 15 or newer is needed';
    END IF;
    IF current_setting('server_encoding') <> 'UTF8' THEN
        RAISE 'this database''s encoding is %, it must be UTF8', current_setting('server_encoding');
    END IF;
    FOREACH wanted IN ARRAY '{cention_audit_owner,cention_shipper,cention_auditor}'::name[] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
        END IF;
    END LOOP;
    IF NOT pg_has_role('cention_audit_owner', 'MEMBER') THEN
        EXECUTE format('GRANT cention_audit_owner TO %I', current_user);
    END IF;
END $$;

CREATE SCHEMA IF NOT EXISTS cention_audit AUTHORIZATION cention_audit_owner;
DO $$
DECLARE
    strange text;
BEGIN
    -- Whoever owns a part of it could change what is in it.
    SELECT o.name INTO strange FROM (
        SELECT oid, nspname::text AS name, nspowner AS owner FROM pg_catalog.pg_namespace
        UNION ALL SELECT relnamespace, relname, relowner FROM pg_catalog.pg_class
        UNION ALL SELECT pronamespace, proname, proowner FROM pg_catalog.pg_proc) o
        WHERE o.oid = 'cention_audit'::regnamespace
          AND o.owner <> 'cention_audit_owner'::regrole LIMIT 1;
    IF FOUND THEN
        RAISE 'in the schema cention_audit % belongs to another role than cention_audit_owner', strange;
    END IF;
END $$;
SET LOCAL ROLE cention_audit_owner;
SET LOCAL search_path = pg_catalog, pg_temp;

-- The search columns are cut from the line by what surrounds them, not by parsing JSON, which is
-- slow, and fails for \u0000. That is exact: within a JSON string every quote has a backslash
-- before it, so `,"path":"` and `","` are never a part of a value. Values stay as JSON writes them
-- (with its escapes), and are cut to what an index can hold.
-- What is no time is NULL: no record fails for it. (The quickest of what was tried.)
CREATE OR REPLACE FUNCTION cention_audit.line_time(word text) RETURNS timestamptz
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL RESTRICTED AS $$
BEGIN
    -- Immutable: in this form neither TimeZone nor DateStyle has a say.
    IF word LIKE '____-__-__T__:__:__.______Z' THEN
        RETURN word::timestamptz;
    END IF;
    RETURN NULL;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END $$;

-- The client's name, else its user's, else its uid.
CREATE OR REPLACE FUNCTION cention_audit.line_client(line text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    client text := split_part(split_part(line, ',"client":{', 2), '},"', 1);
BEGIN
    RETURN left(coalesce(
        nullif(split_part(split_part(client || ',"', '"name":"', 2), '","', 1), ''),
        nullif(split_part(split_part(client || ',"', '"user":"', 2), '","', 1), ''),
        nullif(split_part(split_part(client || ',"', '"uid":', 2), ',"', 1), '')), 256);
END $$;

-- Of an outcome: the seq of its intent (format 2 of the log), which is its fifth member.
CREATE OR REPLACE FUNCTION cention_audit.line_intent(line text) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN split_part(line, '"', 10) = 'outcome' AND split_part(line, '"', 16) = 'intent'
                 AND split_part(line, '"', 17) ~ '^:[0-9]{1,18},$'
                THEN btrim(split_part(line, '"', 17), ':,')::bigint END $$;

-- What was made, changed or deleted; it stands before the answer, whose members have any name.
CREATE OR REPLACE FUNCTION cention_audit.line_object(line text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN split_part(line, '"', 10) = 'outcome'
                THEN nullif(left(split_part(split_part(split_part(
                    line, ',"answer":{', 1), ',"object":"', 2), '"', 1), 512), '') END $$;

-- What the API said of a 4xx or 5xx. No member of the answer is followed by a number, as this one is.
CREATE OR REPLACE FUNCTION cention_audit.line_answer_error(line text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN split_part(line, '"', 10) = 'outcome' AND strpos(line, ',"answer_error":"') > 0
                THEN left((regexp_match(line,
                    ',"answer_error":"((?:[^"\\]|\\.)*)","answer_bytes":[0-9]'))[1], 512) END $$;

CREATE TABLE IF NOT EXISTS cention_audit.log (
    log   bytea PRIMARY KEY CHECK (octet_length(log) = 32), -- the log's identity
    role  name NOT NULL, -- whose it is
    host  text NOT NULL CHECK (octet_length(host) <= 255), -- the shipper's last word for where it is
    since timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS cention_audit.record (
    log      bytea NOT NULL CHECK (octet_length(log) = 32),
    epoch    bigint NOT NULL CHECK (epoch > 0),
    seq      bigint NOT NULL CHECK (seq > 0),
    hash     bytea NOT NULL CHECK (octet_length(hash) = 32), -- of the record, as its line ends
    host     text COLLATE "C" NOT NULL,
    received timestamptz NOT NULL DEFAULT now(),
    line     text COLLATE "C" NOT NULL, -- byte for byte, without the newline
    -- From here on for searching only: a verifier looks at the line.
    time     timestamptz GENERATED ALWAYS AS (
        cention_audit.line_time(split_part(line, '"', 6))) STORED,
    type     text COLLATE "C" GENERATED ALWAYS AS (left(split_part(line, '"', 10), 32)) STORED,
    id       text COLLATE "C" GENERATED ALWAYS AS (
        CASE WHEN split_part(line, '"', 12) = 'id' AND split_part(line, '"', 13) = ':'
             THEN left(split_part(line, '"', 14), 128) END) STORED,
    client   text COLLATE "C" GENERATED ALWAYS AS (
        CASE WHEN split_part(line, '"', 10) IN ('intent', 'reject')
             THEN cention_audit.line_client(line) END) STORED,
    method   text COLLATE "C" GENERATED ALWAYS AS (
        CASE WHEN split_part(line, '"', 10) IN ('intent', 'reject')
             THEN nullif(left(split_part(split_part(line, ',"method":"', 2), '"', 1), 32), '') END)
             STORED,
    path     text COLLATE "C" GENERATED ALWAYS AS (
        CASE WHEN split_part(line, '"', 10) IN ('intent', 'reject')
             THEN nullif(left(split_part(split_part(line, ',"path":"', 2), '","', 1), 512), '') END)
             STORED,
    status   integer GENERATED ALWAYS AS (
        CASE WHEN split_part(line, '"', 10) IN ('outcome', 'reject')
              AND split_part(split_part(line, ',"status":', 2), ',', 1) ~ '^[0-9]{1,9}$'
             THEN split_part(split_part(line, ',"status":', 2), ',', 1)::integer END) STORED,
    PRIMARY KEY (log, seq, epoch) -- in the order in which a log is read
);
-- Columns that came later. A generated one would have the whole table written anew, with nobody
-- shipping meanwhile; `ship` and `fill` set these. A query that holds the table is not waited for
-- with everybody waiting behind.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = 'cention_audit.record'::regclass
                AND attname = 'answer_error') THEN
        RETURN;
    END IF;
    FOR attempt IN 1..60 LOOP
        BEGIN
            SET LOCAL lock_timeout = '1s';
            ALTER TABLE cention_audit.record
                ADD COLUMN intent bigint, -- of an outcome: the seq of its intent; NULL in format 1
                ADD COLUMN object text COLLATE "C",
                ADD COLUMN answer_error text COLLATE "C";
            RETURN;
        EXCEPTION WHEN lock_not_available THEN
            PERFORM pg_sleep(1);
        END;
    END LOOP;
    RAISE 'the table record was never free for a moment: try again when no long query runs';
END $$;
SET LOCAL lock_timeout = 0;

-- What hosts have found wrong with their logs: evidence, kept once.
CREATE TABLE IF NOT EXISTS cention_audit.alarm (
    log         bytea NOT NULL CHECK (octet_length(log) = 32),
    kind        text NOT NULL CHECK (octet_length(kind) <= 32),
    here_epoch  bigint NOT NULL, -- at the host
    here_seq    bigint NOT NULL,
    here_hash   bytea NOT NULL CHECK (octet_length(here_hash) = 32),
    there_epoch bigint NOT NULL, -- at the centre
    there_seq   bigint NOT NULL,
    there_hash  bytea NOT NULL CHECK (octet_length(there_hash) = 32),
    host        text NOT NULL,
    received    timestamptz NOT NULL DEFAULT now(),
    why         text NOT NULL CHECK (octet_length(why) <= 1024),
    UNIQUE (log, kind, here_epoch, here_seq, here_hash, there_epoch, there_seq, there_hash)
);

-- What a shipper can rely on here; it refuses another number.
CREATE OR REPLACE FUNCTION cention_audit.version() RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT 1';

-- Refuses whoever is not the log's owner; nothing where it has none.
CREATE OR REPLACE FUNCTION cention_audit.check_owner(log_ bytea) RETURNS void
    LANGUAGE plpgsql STABLE AS $$
BEGIN
    PERFORM FROM cention_audit.log l WHERE l.log = log_ AND l.role <> session_user;
    IF FOUND THEN
        RAISE insufficient_privilege USING MESSAGE =
            'another role ships this log: ' || encode(log_, 'hex');
    END IF;
END $$;

-- Makes the log the caller's when it is nobody's, and holds it until the transaction's end.
CREATE OR REPLACE FUNCTION cention_audit.hold(log_ bytea, host_ text) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    known text;
BEGIN
    PERFORM cention_audit.check_owner(log_);
    SELECT l.host INTO known FROM cention_audit.log l WHERE l.log = log_ FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        INSERT INTO cention_audit.log (log, role, host) VALUES (log_, session_user, host_)
            ON CONFLICT DO NOTHING;
        PERFORM cention_audit.check_owner(log_);
        PERFORM FROM cention_audit.log l WHERE l.log = log_ FOR NO KEY UPDATE;
    ELSIF known <> host_ THEN
        UPDATE cention_audit.log l SET host = host_ WHERE l.log = log_;
    END IF;
END $$;

-- The last record of a log that is here: no row when there is none.
CREATE OR REPLACE FUNCTION cention_audit.head(log_ bytea)
    RETURNS TABLE (epoch bigint, seq bigint, hash bytea)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM cention_audit.check_owner(log_);
    RETURN QUERY SELECT r.epoch, r.seq, r.hash FROM cention_audit.record r WHERE r.log = log_
        ORDER BY r.seq DESC, r.epoch DESC LIMIT 1;
END $$;

-- Takes records first_, first_ + 1, ... of a log, whose last one here is `behind_` (0: none) or a
-- later one. Those that are here already are compared. `taken`: all up to this one are here as
-- they were given. `place`: the first in whose place there is another, which is then there_*
-- (all 0: nothing is, but what comes behind it); it and what is behind it was not taken. `standby`:
-- a commit waits for one. Both `taken` and `place` are NULL when `behind_` is not here: a call
-- before this one failed.
CREATE OR REPLACE FUNCTION cention_audit.ship(
        log_ bytea, host_ text, behind_ bigint, first_ bigint,
        epochs_ bigint[], hashes_ bytea[], lines_ text[],
        OUT taken bigint, OUT place bigint, OUT there_epoch bigint, OUT there_seq bigint,
        OUT there_hash bytea, OUT standby boolean)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    last_ CONSTANT bigint := first_ + cardinality(lines_) - 1;
    head record;
    from_ integer := 1; -- the first of the arrays that is not here yet
BEGIN
    standby := current_setting('synchronous_standby_names') <> '';
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE invalid_transaction_state USING MESSAGE =
            'must be read committed: what another took while this waited would not be seen';
    END IF;
    IF cardinality(epochs_) <> cardinality(lines_) OR cardinality(hashes_) <> cardinality(lines_)
       OR cardinality(lines_) = 0 OR first_ <= behind_
       OR EXISTS (SELECT FROM unnest(epochs_, epochs_[2:]) u (epoch, next) WHERE u.next < u.epoch) THEN
        RAISE invalid_parameter_value USING MESSAGE = 'not a batch';
    END IF;
    PERFORM cention_audit.hold(log_, host_);
    SELECT * INTO head FROM cention_audit.head(log_);
    IF coalesce(head.seq, 0) < behind_ THEN
        RETURN;
    END IF;
    IF head.seq >= first_ THEN
        -- Sent before, or by another: never again, and never another.
        SELECT g.seq, t.epoch, t.seq, t.hash INTO place, there_epoch, there_seq, there_hash
            FROM (SELECT first_ + u.n - 1 AS seq, u.epoch, u.hash
                  FROM unnest(epochs_, hashes_) WITH ORDINALITY u (epoch, hash, n)
                  WHERE u.n <= head.seq - first_ + 1) g
            LEFT JOIN cention_audit.record t ON t.log = log_ AND t.seq = g.seq
            WHERE (t.epoch, t.hash) IS DISTINCT FROM (g.epoch, g.hash) ORDER BY g.seq LIMIT 1;
        from_ := least(last_, head.seq) - first_ + 2;
    END IF;
    IF place IS NULL AND from_ <= cardinality(lines_) AND epochs_[from_] < head.epoch THEN
        place := first_ + from_ - 1;
        there_epoch := head.epoch;
        there_seq := head.seq;
        there_hash := head.hash;
    END IF;
    IF place IS NOT NULL THEN
        there_epoch := coalesce(there_epoch, 0);
        there_seq := coalesce(there_seq, 0);
        there_hash := coalesce(there_hash, decode(repeat('00', 32), 'hex'));
        RETURN;
    END IF;
    IF from_ > 1 THEN
        epochs_ := epochs_[from_:];
        hashes_ := hashes_[from_:];
        lines_ := lines_[from_:];
    END IF;
    INSERT INTO cention_audit.record (log, epoch, seq, hash, host, line, intent, object, answer_error)
        SELECT log_, u.epoch, last_ - cardinality(lines_) + u.n, u.hash, host_, u.line,
               cention_audit.line_intent(u.line), cention_audit.line_object(u.line),
               cention_audit.line_answer_error(u.line)
        FROM unnest(epochs_, hashes_, lines_) WITH ORDINALITY u (epoch, hash, line, n);
    taken := last_;
END $$;

-- Keeps an alarm, once.
CREATE OR REPLACE FUNCTION cention_audit.alarm(
        log_ bytea, host_ text, kind_ text, here_epoch_ bigint, here_seq_ bigint, here_hash_ bytea,
        there_epoch_ bigint, there_seq_ bigint, there_hash_ bytea, why_ text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM cention_audit.hold(log_, host_);
    INSERT INTO cention_audit.alarm (log, kind, here_epoch, here_seq, here_hash,
                                     there_epoch, there_seq, there_hash, host, why)
        VALUES (log_, kind_, here_epoch_, here_seq_, here_hash_,
                there_epoch_, there_seq_, there_hash_, host_, why_)
        ON CONFLICT DO NOTHING;
END $$;

-- A row for each change: the intent, and its outcome when there is one. Outcomes of format 1 don't say
-- whose they are: of one id the first outcome is the first intent's, and so on.
CREATE OR REPLACE VIEW cention_audit.change AS
    SELECT i.log, i.host, i.seq, i.time, i.client, i.method, i.path, i.id,
           o.seq AS outcome, o.time AS ended, o.status,
           CASE WHEN o.status BETWEEN 200 AND 299
                THEN coalesce(o.object, CASE WHEN i.method <> 'POST' THEN i.path END) END AS object,
           o.answer_error, i.line AS intent_line, o.line AS outcome_line
    FROM cention_audit.record i
    LEFT JOIN LATERAL (
        (SELECT r.* FROM cention_audit.record r WHERE r.log = i.log AND r.intent = i.seq LIMIT 1)
        UNION ALL
        (SELECT r.* FROM cention_audit.record r
            WHERE r.log = i.log AND r.id = i.id AND r.type = 'outcome' AND r.intent IS NULL
            ORDER BY r.seq
            OFFSET (SELECT count(*) FROM cention_audit.record e
                    WHERE e.log = i.log AND e.id = i.id AND e.type = 'intent' AND e.seq < i.seq
                      AND NOT EXISTS (SELECT FROM cention_audit.record p
                                      WHERE p.log = e.log AND p.intent = e.seq))
            LIMIT 1)
        LIMIT 1) o ON true
    WHERE i.type = 'intent';

-- Gives records that came before these columns were there their values, a few thousand in a
-- transaction, so that nobody who ships waits. Nothing when it was done before.
CREATE OR REPLACE PROCEDURE cention_audit.fill() LANGUAGE plpgsql AS $$
DECLARE
    at record;
    seq_ bigint; -- the last that was looked at
    epoch_ bigint;
BEGIN
    IF pg_catalog.col_description('cention_audit.record'::regclass, (
            SELECT attnum FROM pg_catalog.pg_attribute
            WHERE attrelid = 'cention_audit.record'::regclass AND attname = 'intent')) = 'filled' THEN
        RETURN;
    END IF;
    FOR at IN SELECT l.log FROM cention_audit.log l LOOP
        seq_ := 0;
        epoch_ := 0;
        LOOP
            WITH step AS MATERIALIZED (
                SELECT r.seq, r.epoch, r.type, r.line FROM cention_audit.record r
                WHERE r.log = at.log AND (r.seq, r.epoch) > (seq_, epoch_)
                ORDER BY r.seq, r.epoch LIMIT 5000
            ), cut AS MATERIALIZED (
                SELECT s.seq, s.epoch, cention_audit.line_intent(s.line) AS intent,
                       cention_audit.line_object(s.line) AS object,
                       cention_audit.line_answer_error(s.line) AS answer_error
                FROM step s WHERE s.type = 'outcome'
            ), done AS (
                UPDATE cention_audit.record r
                SET intent = c.intent, object = c.object, answer_error = c.answer_error
                FROM cut c
                WHERE r.log = at.log AND r.seq = c.seq AND r.epoch = c.epoch
                  AND (r.intent, r.object, r.answer_error) IS DISTINCT FROM
                      (c.intent, c.object, c.answer_error)
            )
            SELECT s.seq, s.epoch INTO seq_, epoch_ FROM step s
                ORDER BY s.seq DESC, s.epoch DESC LIMIT 1;
            EXIT WHEN seq_ IS NULL;
            COMMIT;
        END LOOP;
    END LOOP;
    COMMENT ON COLUMN cention_audit.record.intent IS 'filled';
END $$;

REVOKE ALL ON ALL TABLES IN SCHEMA cention_audit FROM PUBLIC, cention_shipper;
REVOKE ALL ON ALL ROUTINES IN SCHEMA cention_audit FROM PUBLIC, cention_shipper;
GRANT USAGE ON SCHEMA cention_audit TO cention_shipper, cention_auditor;
GRANT EXECUTE ON FUNCTION cention_audit.version() TO cention_shipper, cention_auditor;
GRANT EXECUTE ON FUNCTION cention_audit.head(bytea),
    cention_audit.ship(bytea, text, bigint, bigint, bigint[], bytea[], text[]),
    cention_audit.alarm(bytea, text, text, bigint, bigint, bytea, bigint, bigint, bytea, text)
    TO cention_shipper;
GRANT SELECT ON ALL TABLES IN SCHEMA cention_audit TO cention_auditor;

COMMIT;

-- Beside those who ship.
SET client_min_messages = warning;
SET ROLE cention_audit_owner;
-- Of a table by months (central-months.sql) each part has its own, attached to the table's.
CREATE TEMPORARY VIEW wanted AS SELECT * FROM (VALUES
    ('record_time', 'time', ''),
    ('record_host', 'host', ''),
    ('record_client', 'client', 'client IS NOT NULL'),
    ('record_path', 'path', 'path IS NOT NULL'),
    ('record_status', 'status', 'status IS NOT NULL'),
    ('record_id', 'log, id', 'id IS NOT NULL'),
    ('record_intent', 'log, intent', 'intent IS NOT NULL'),
    ('record_object', 'object', 'object IS NOT NULL'),
    ('record_answer_error', 'answer_error', 'answer_error IS NOT NULL')) w (name, columns, predicate)
    WHERE to_regclass('cention_audit.' || name) IS NULL;
CREATE TEMPORARY VIEW parts AS SELECT relid, relid::regclass::text AS part, isleaf,
        'cention_audit.record'::regclass <> relid AS is_part
    FROM pg_catalog.pg_partition_tree('cention_audit.record'::regclass)
    UNION ALL SELECT oid, oid::regclass::text, true, false FROM pg_catalog.pg_class
        WHERE oid = 'cention_audit.record'::regclass AND relkind = 'r';
CREATE TEMPORARY TABLE missing AS SELECT w.*, p.relid, p.part, p.isleaf, p.is_part,
        CASE WHEN p.is_part THEN left(w.name, 30) || '_' || p.relid ELSE w.name END AS index
    FROM wanted w, parts p;
SELECT format('CREATE INDEX %s IF NOT EXISTS %I ON %s %s (%s) %s', CASE WHEN isleaf THEN 'CONCURRENTLY' END, index,
              CASE WHEN NOT isleaf THEN 'ONLY' END, part, columns, CASE WHEN predicate <> '' THEN 'WHERE ' || predicate END)
    FROM missing ORDER BY isleaf DESC, name \gexec
SELECT format('ALTER INDEX cention_audit.%I ATTACH PARTITION cention_audit.%I', name, index)
    FROM missing WHERE is_part ORDER BY name \gexec
DROP TABLE missing;
DROP VIEW wanted, parts;
CALL cention_audit.fill();
RESET ROLE;
