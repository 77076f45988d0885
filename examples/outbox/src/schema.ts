/**
 * The table. A row is
 *
 * ```text
 *   waiting ──claimed, for the time of a lease──▶ delivered
 *      ▲  │                                  └──▶ dead       after so many failed attempts
 *      │  └── not due yet, or behind a waiting row of its key
 *      └───── the attempt has failed, the claim was given back, or its lease has run out
 * ```
 *
 * The trigger makes the order of positions within a key the order in which transactions commit: whoever writes to a key holds
 * its lock until the end of the transaction. Otherwise a row could appear behind one that is delivered already.
 */
export const schema = `
BEGIN;
-- Two that create the same thing at once would both fail, IF NOT EXISTS or not.
SELECT pg_advisory_xact_lock(hashtextextended('outbox schema', 0));

CREATE SEQUENCE IF NOT EXISTS outbox_position;
CREATE TABLE IF NOT EXISTS outbox (
  id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  position     bigint NOT NULL,
  key          text NOT NULL,
  payload      jsonb NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT now(),
  status       text NOT NULL DEFAULT 'waiting' CHECK (status IN ('waiting', 'delivered', 'dead')),
  due_at       timestamptz NOT NULL DEFAULT now(),
  attempts     integer NOT NULL DEFAULT 0,
  claimed_by   text,
  leased_until timestamptz,
  delivered_at timestamptz,
  error        text,
  UNIQUE (key, position)
);
-- What is delivered costs the relays nothing.
CREATE INDEX IF NOT EXISTS outbox_waiting ON outbox (position) WHERE status = 'waiting';
CREATE INDEX IF NOT EXISTS outbox_waiting_of_key ON outbox (key, position) WHERE status = 'waiting';
CREATE INDEX IF NOT EXISTS outbox_claimed ON outbox (claimed_by) WHERE claimed_by IS NOT NULL;

CREATE OR REPLACE FUNCTION outbox_number() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('outbox ' || NEW.key, 0));
  NEW.position := nextval('outbox_position');
  RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER outbox_number BEFORE INSERT ON outbox
  FOR EACH ROW EXECUTE FUNCTION outbox_number();
COMMIT;
`;
