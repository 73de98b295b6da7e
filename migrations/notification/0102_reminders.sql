-- What is to be sent stands in reminders from now on, so that sending it touches no index. Replicas of the old
-- version know nothing of them: stop those first.
LOCK TABLE notifications;
INSERT INTO reminders (due_at, keys)
SELECT min(next_attempt_at), array_agg(order_id)
FROM (SELECT *, row_number() OVER (PARTITION BY second ORDER BY next_attempt_at) / 100 AS pack
      FROM (SELECT next_attempt_at, order_id, date_trunc('second', next_attempt_at) AS second
            FROM notifications WHERE status = 'QUEUED') AS due) AS packed
GROUP BY second, pack;
DROP INDEX notifications_due;
-- A notification changes once, when it is sent.
ALTER TABLE notifications SET (fillfactor = 60);
