-- name: wait_briefly
-- Who waits for a whole table holds up all who come after him.
set local lock_timeout = '500ms';

-- name: roll_bands
select rasid.roll_bands();

-- name: roll_captures
select rasid.roll_captures();

-- name: roll_passages
select rasid.roll_passages();
