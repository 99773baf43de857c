-- An account belongs to a person of the clinic file; name, roles and licence live there.
create table accounts (
    person_id     text primary key,
    username      text not null unique,
    password_hash text not null,
    totp_secret   text not null,               -- sealed with the clinic's key
    totp_step     bigint not null default 0,   -- the last 30-second step whose code was used: no code works twice
    created_at    timestamptz not null default now()
);

-- By the hash of what was typed, whether or not such an account exists: a lock-out tells nobody who works here.
create table attempts (
    name         bytea primary key,
    failures     integer not null,
    last_at      timestamptz not null,
    locked_until timestamptz
);

-- A sign-in that is under way: what the client asked for, and how far the person got.
create table sign_ins (
    hash        bytea primary key,
    request     jsonb not null,
    step_up     boolean not null,
    expected    text,                          -- who must confirm, when somebody is signed in already
    person_id   text,                          -- whose password was right
    expires_at  timestamptz not null
);

-- A browser that is signed in with the issuer.
create table sessions (
    hash       bytea primary key,
    person_id  text not null,
    auth_time  timestamptz not null,
    amr        text[] not null,
    expires_at timestamptz not null
);

create table codes (
    hash                  bytea primary key,
    family                uuid not null,
    session               bytea not null,
    client_id             text not null,
    person_id             text not null,
    redirect_uri          text not null,
    scope                 text not null,
    nonce                 text,
    code_challenge        text not null,
    code_challenge_method text not null,
    auth_time             timestamptz not null,
    amr                   text[] not null,
    acr                   text not null,
    expires_at            timestamptz not null,
    used_at               timestamptz
);

-- Rotated at each use. A family is what grew from one code; a token shown twice ends its family.
create table refresh_tokens (
    hash       bytea primary key,
    family     uuid not null,
    session    bytea not null,
    client_id  text not null,
    person_id  text not null,
    scope      text not null,
    auth_time  timestamptz not null,
    amr        text[] not null,
    acr        text not null,
    expires_at timestamptz not null,
    used_at    timestamptz
);
create index refresh_tokens_family on refresh_tokens (family);    -- ending a family
create index refresh_tokens_session on refresh_tokens (session);  -- signing out

create table signing_keys (
    kid        text primary key,
    private    text not null,                  -- sealed with the clinic's key
    created_at timestamptz not null default now()
);
