"""Flags, and the audit log that cannot be rewritten."""

from alembic import op

revision = "0012"
down_revision = "0011"

# The oracle's own role (docs/operator.md) may read the audit log and call these two functions, and
# nothing else: they run with the rights of the owner, and only ever append what follows the head.
# The triggers hold back the owner too, until it drops them, which leaves the chain to tell.
_STATEMENTS = (
    """
CREATE TABLE audit_entry (
    seq bigint PRIMARY KEY,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    details jsonb NOT NULL,
    request_id text,
    previous_hash bytea NOT NULL,
    hash bytea NOT NULL
)
""",
    """
CREATE INDEX audit_entry_subject ON audit_entry (subject, seq)
""",
    """
CREATE INDEX audit_entry_actor ON audit_entry (actor, seq)
""",
    """
COMMENT ON TABLE audit_entry IS
    'Who did what to what; each entry commits to the one before it.'
""",
    """
CREATE TABLE audit_head (
    only_row boolean PRIMARY KEY DEFAULT true,
    last_seq bigint NOT NULL,
    last_hash bytea NOT NULL,
    CONSTRAINT audit_head_only_row_check CHECK (only_row)
)
""",
    """
COMMENT ON TABLE audit_head IS
    'The last entry of the audit log; its row lock gives entries their order.'
""",
    """
INSERT INTO audit_head (last_seq, last_hash) VALUES (0, decode(repeat('00', 32), 'hex'))
""",
    """
CREATE FUNCTION audit_lock(OUT last_seq bigint, OUT last_hash bytea)
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp
    AS 'SELECT last_seq, last_hash FROM audit_head FOR UPDATE'
""",
    """
CREATE FUNCTION audit_append(
    entry_seq bigint, entry_at timestamptz, entry_actor text, entry_action text,
    entry_subject text, entry_details jsonb, entry_request_id text,
    entry_previous_hash bytea, entry_hash bytea
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE audit_head SET last_seq = entry_seq, last_hash = entry_hash
    WHERE last_seq = entry_seq - 1 AND last_hash = entry_previous_hash;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the entry does not follow the head of the audit log'
            USING ERRCODE = 'serialization_failure';
    END IF;
    INSERT INTO audit_entry VALUES (
        entry_seq, entry_at, entry_actor, entry_action, entry_subject, entry_details,
        entry_request_id, entry_previous_hash, entry_hash
    );
END
$$
""",
    """
REVOKE ALL ON FUNCTION audit_lock() FROM PUBLIC
""",
    """
REVOKE ALL ON FUNCTION audit_append(
    bigint, timestamptz, text, text, text, jsonb, text, bytea, bytea
) FROM PUBLIC
""",
    """
CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is only ever appended to'
        USING ERRCODE = 'insufficient_privilege';
END
$$
""",
    """
CREATE TRIGGER audit_entry_kept BEFORE UPDATE OR DELETE ON audit_entry
    FOR EACH ROW EXECUTE FUNCTION audit_refuse()
""",
    """
CREATE TRIGGER audit_entry_not_emptied BEFORE TRUNCATE ON audit_entry
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()
""",
    """
CREATE TRIGGER audit_head_kept BEFORE DELETE ON audit_head
    FOR EACH ROW EXECUTE FUNCTION audit_refuse()
""",
    """
CREATE TABLE flag (
    id text PRIMARY KEY,
    subject text NOT NULL,
    reason text NOT NULL,
    status text NOT NULL,
    failures bigint NOT NULL,
    raised_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    alerted_at timestamptz,
    acknowledged_at timestamptz,
    acknowledged_by text,
    cleared_at timestamptz,
    cleared_by text,
    note text
)
""",
    """
CREATE UNIQUE INDEX flag_standing ON flag (subject, reason) WHERE status <> 'cleared'
""",
    """
CREATE INDEX flag_status ON flag (status, id)
""",
    """
COMMENT ON TABLE flag IS
    'Callers who behave oddly, for an admin to look at; at most one standing for each reason.'
""",
)


def upgrade() -> None:
    """Create the tables and the only ways to write the log."""
    for statement in _STATEMENTS:
        op.execute(statement)
