-- The roles and schemas of all services, for psql in the compose file: the one source of them is in ../postgres, and
-- their passwords are in the environment.

\set ON_ERROR_STOP on

\ir ../postgres/server.sql
\ir ../postgres/service-role.sql

\getenv auth AUTH_DATABASE_PASSWORD
\getenv products PRODUCTS_DATABASE_PASSWORD
\getenv orders ORDERS_DATABASE_PASSWORD
\getenv payments PAYMENTS_DATABASE_PASSWORD
\getenv inventory INVENTORY_DATABASE_PASSWORD
\getenv notification NOTIFICATION_DATABASE_PASSWORD
\getenv expiration EXPIRATION_DATABASE_PASSWORD

SELECT pg_temp.create_service_role('auth', 'auth', :'auth');
SELECT pg_temp.create_service_role('products', 'products', :'products');
SELECT pg_temp.create_service_role('orders', 'orders', :'orders');
SELECT pg_temp.create_service_role('payments', 'payments', :'payments');
SELECT pg_temp.create_service_role('inventory', 'inventory', :'inventory');
SELECT pg_temp.create_service_role('notification', 'notification', :'notification');
SELECT pg_temp.create_service_role('expiration', 'expiration', :'expiration');
