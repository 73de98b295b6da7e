-- What a server that is Boutique's alone gets once, as superuser: nobody but superusers can use the
-- databases that Postgres brings along. On a server shared with others that is for its operator to
-- say; the services need none of it.

REVOKE CONNECT, TEMPORARY ON DATABASE postgres, template1 FROM PUBLIC;
