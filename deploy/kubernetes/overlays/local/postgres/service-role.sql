-- Defines pg_temp.create_service_role(role, schema, password): what each service gets in the
-- current database. Run it as superuser, then call the function in the same session, once a
-- service. Running it again changes nothing but the password and the limit of connections.
--
-- A role reaches its own schema only: it owns that one, and what everybody may do by default
-- (use the database and its `public` schema) is taken back. Other databases of the server are the
-- operator's to close, as `server.sql` does where the server is Boutique's alone.
--
-- No role can take all connections of the server: 60 do for five replicas, each with the ten of
-- DATABASE_MAX_CONNECTIONS, one for the relay and one to migrate. Change them together.

CREATE OR REPLACE FUNCTION pg_temp.create_service_role(service_role text, service_schema text, service_password text)
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = service_role) THEN
        EXECUTE format('CREATE ROLE %I', service_role);
    END IF;
    EXECUTE format(
        'ALTER ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS'
        ' CONNECTION LIMIT 60 PASSWORD %L',
        service_role, service_password);

    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE 'REVOKE ALL ON SCHEMA public FROM PUBLIC';
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), service_role);

    EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I AUTHORIZATION %I', service_schema, service_role);
    EXECUTE format('ALTER SCHEMA %I OWNER TO %I', service_schema, service_role);
    EXECUTE format('ALTER ROLE %I IN DATABASE %I SET search_path = %I',
        service_role, current_database(), service_schema);
END
$$;
