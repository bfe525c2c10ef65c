-- The archive of record: every host's audit log in one PostgreSQL (15 or newer), schema 1.
--
--     psql -v ON_ERROR_STOP=1 -d audit -f central.sql
--
-- as a superuser, or as a role that may create roles, and schemas in this database, whose encoding
-- must be UTF8. Running it again changes nothing that is right. Then, for every host, a role of its
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
CREATE INDEX IF NOT EXISTS record_time ON cention_audit.record (time);
CREATE INDEX IF NOT EXISTS record_host ON cention_audit.record (host);
CREATE INDEX IF NOT EXISTS record_client ON cention_audit.record (client)
    WHERE client IS NOT NULL;
CREATE INDEX IF NOT EXISTS record_path ON cention_audit.record (path)
    WHERE path IS NOT NULL;
CREATE INDEX IF NOT EXISTS record_status ON cention_audit.record (status)
    WHERE status IS NOT NULL;

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
    INSERT INTO cention_audit.record (log, epoch, seq, hash, host, line)
        SELECT log_, u.epoch, last_ - cardinality(lines_) + u.n, u.hash, host_, u.line
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

REVOKE ALL ON ALL TABLES IN SCHEMA cention_audit FROM PUBLIC, cention_shipper;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA cention_audit FROM PUBLIC, cention_shipper;
GRANT USAGE ON SCHEMA cention_audit TO cention_shipper, cention_auditor;
GRANT EXECUTE ON FUNCTION cention_audit.version() TO cention_shipper, cention_auditor;
GRANT EXECUTE ON FUNCTION cention_audit.head(bytea),
    cention_audit.ship(bytea, text, bigint, bigint, bigint[], bytea[], text[]),
    cention_audit.alarm(bytea, text, text, bigint, bigint, bytea, bigint, bigint, bytea, text)
    TO cention_shipper;
GRANT SELECT ON ALL TABLES IN SCHEMA cention_audit TO cention_auditor;

COMMIT;
