-- When timers fire stands in reminders from now on, so that closing one touches no index. Replicas of the old
-- version know nothing of them: stop those first.
LOCK TABLE timers;
INSERT INTO reminders (due_at, keys)
SELECT min(fires_at), array_agg(order_id)
FROM (SELECT *, row_number() OVER (PARTITION BY second ORDER BY fires_at) / 100 AS pack
      FROM (SELECT fires_at, order_id, date_trunc('second', fires_at) AS second
            FROM timers WHERE fires_at IS NOT NULL) AS due) AS packed
GROUP BY second, pack;
DROP INDEX timers_set;
-- A timer changes once, when it is closed.
ALTER TABLE timers SET (fillfactor = 60);
