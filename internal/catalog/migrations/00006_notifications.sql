-- +goose Up

-- What is still to be told of the ends of refreshes. A notification that has arrived, or was given up, is deleted.
CREATE TABLE notifications (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice: what has become of one is stored by it
    operation INTEGER NOT NULL REFERENCES operations ON DELETE CASCADE,
    channel   TEXT    NOT NULL CHECK (channel IN ('webhook', 'mail')),
    target    TEXT    NOT NULL, -- the name of a webhook, a mail address
    event     TEXT    NOT NULL CHECK (json_valid(event)),
    tries     INTEGER NOT NULL, -- that did not arrive
    due       INTEGER NOT NULL
) STRICT;
CREATE INDEX notifications_due ON notifications (channel, target, due, seq);
CREATE INDEX notifications_by_operation ON notifications (operation);
