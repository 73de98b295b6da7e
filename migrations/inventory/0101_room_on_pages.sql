-- Few rows that change all the time: room beside each for its next versions, so that they touch no index.
ALTER TABLE stock SET (fillfactor = 25);
-- Each row changes once.
ALTER TABLE reservations SET (fillfactor = 85);
