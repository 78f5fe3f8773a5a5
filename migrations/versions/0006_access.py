"""Accounts, their credentials and wallets, repeated requests, and which account made an order."""

from alembic import op

revision = "0006"
down_revision = "0005"

# orders.idempotency_key stays unique, and goes in a later release: the release before this one
# still writes it. From now on it is null, and `idempotency` holds the keys.
_STATEMENTS = """
CREATE TABLE account (
    id text PRIMARY KEY,
    name text NOT NULL UNIQUE,
    roles text[] NOT NULL,
    store_id text,
    password_hash text,
    created_at timestamptz NOT NULL,
    disabled_at timestamptz,
    tokens_valid_from timestamptz NOT NULL,
    CONSTRAINT account_roles_check CHECK (cardinality(roles) > 0),
    CONSTRAINT account_till_store_check
        CHECK (store_id IS NOT NULL OR NOT roles @> ARRAY['till'])
);
COMMENT ON TABLE account IS
    'Who may use the oracle, made by the office; acc_open is everybody while access is open.';
INSERT INTO account (id, name, roles, created_at, disabled_at, tokens_valid_from)
VALUES ('acc_open', 'everybody (access is open)', ARRAY['admin'], now(), now(), now());
CREATE TABLE api_key (
    id text PRIMARY KEY,
    account_id text NOT NULL REFERENCES account,
    name text NOT NULL,
    digest bytea NOT NULL UNIQUE,
    ending text NOT NULL,
    scopes text[] NOT NULL,
    is_test boolean NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    last_used_at timestamptz,
    CONSTRAINT api_key_scopes_check CHECK (cardinality(scopes) > 0)
);
COMMENT ON TABLE api_key IS 'Keys of programs; only their SHA-256 is kept.';
CREATE INDEX api_key_account_id ON api_key (account_id, id);
CREATE TABLE session (
    id text PRIMARY KEY,
    account_id text NOT NULL REFERENCES account,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    revoked_reason text
);
COMMENT ON TABLE session IS
    'A sign-in and the family of refresh tokens that followed from it.';
CREATE INDEX session_account_id ON session (account_id, id);
CREATE INDEX session_expires_at ON session (expires_at);
CREATE TABLE refresh_token (
    digest bytea PRIMARY KEY,
    session_id text NOT NULL REFERENCES session ON DELETE CASCADE,
    issued_at timestamptz NOT NULL,
    used_at timestamptz
);
COMMENT ON TABLE refresh_token IS 'Refresh tokens by their SHA-256; each is used once.';
CREATE INDEX refresh_token_session_id ON refresh_token (session_id);
CREATE TABLE idempotency (
    account_id text NOT NULL,
    key text NOT NULL,
    request_digest bytea NOT NULL,
    resource_id text NOT NULL,
    claimed_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, key)
);
COMMENT ON TABLE idempotency IS
    'What a repeated request made the first time; a key is free again after a day.';
CREATE INDEX idempotency_claimed_at ON idempotency (claimed_at);
CREATE TABLE wallet_challenge (
    nonce text PRIMARY KEY,
    account_id text NOT NULL REFERENCES account,
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
COMMENT ON TABLE wallet_challenge IS
    'Sign-In with Ethereum messages that wait for their signature; taken once.';
CREATE INDEX wallet_challenge_expires_at ON wallet_challenge (expires_at);
CREATE INDEX wallet_challenge_account_id ON wallet_challenge (account_id);
CREATE TABLE wallet (
    id text PRIMARY KEY,
    account_id text NOT NULL REFERENCES account,
    address_sealed bytea NOT NULL,
    address_key_id text NOT NULL,
    address_digest bytea NOT NULL UNIQUE,
    linked_at timestamptz NOT NULL
);
COMMENT ON TABLE wallet IS
    'Linked wallets: the address encrypted, and a keyed hash of it for look-up.';
CREATE INDEX wallet_account_id ON wallet (account_id, id);
CREATE INDEX wallet_address_key_id ON wallet (address_key_id, id);
ALTER TABLE orders
    ADD COLUMN account_id text REFERENCES account,
    ALTER COLUMN idempotency_key DROP NOT NULL,
    ALTER COLUMN request_digest DROP NOT NULL;
CREATE INDEX orders_account_id ON orders (account_id, id) WHERE account_id IS NOT NULL;
CREATE INDEX orders_store_id ON orders (store_id, status, id)
"""


def upgrade() -> None:
    """Create the tables."""
    for statement in _STATEMENTS.split(";\n"):
        op.execute(statement)
