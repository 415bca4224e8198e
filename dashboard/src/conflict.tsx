import { PreconditionFailedError, type Organization } from "@orgd/client";
import { useRef, useState } from "preact/hooks";
import { orgd } from "./api";
import { Dialog } from "./dialog";
import { asFailure, ErrorText, type Failure } from "./errors";
import { Foreign, Time } from "./format";
import { toast, toastError } from "./toast";

/** A change of an organization that is made only if it still has the revision. */
export interface Change {
  /** The fields that it changes, with their new values. Undefined removes one. */
  yours: Record<string, string | undefined>;
  run: (revision: number) => Promise<Organization>;
  done: string;
}

interface Pending {
  change: Change;
  base: Organization;
  theirs: Organization;
  settle: (isDone: boolean) => void;
}

export interface Changes {
  /**
   * Makes the change of what the reader saw. If somebody else was faster, the reader
   * decides. It returns false if the reader did not decide.
   */
  apply(base: Organization, change: Change, options?: { asToast?: boolean }): Promise<boolean>;
  pending: Pending | undefined;
  take(): void;
  overwrite(): Promise<void>;
  leave(): void;
}

export function useChanges(changed: (org: Organization) => void): Changes {
  const [pending, setPending] = useState<Pending>();
  const latest = useRef(changed);
  latest.current = changed;

  const attempt = async (base: Organization, change: Change, revision: number): Promise<boolean> => {
    try {
      latest.current(await change.run(revision));
      toast(change.done);
      return true;
    } catch (error) {
      if (!(error instanceof PreconditionFailedError)) throw error;
      const { data: theirs } = await orgd.GET("/v1/orgs/{orgId}", { params: { path: { orgId: base.orgId } } });
      return new Promise((settle) => setPending({ change, base, theirs, settle }));
    }
  };
  const settle = (isDone: boolean) => {
    setPending(undefined);
    pending?.settle(isDone);
  };
  return {
    async apply(base, change, { asToast } = {}) {
      try {
        return await attempt(base, change, base.revision);
      } catch (error) {
        if (!asToast) throw error;
        toastError("The change was not made.", asFailure(error));
        return false;
      }
    },
    pending,
    take() {
      if (pending) latest.current(pending.theirs);
      settle(true);
    },
    async overwrite() {
      if (!pending) return;
      const { base, change, theirs } = pending;
      const isDone = await attempt(base, change, theirs.revision);
      settle(isDone);
    },
    leave: () => settle(false),
  };
}

/** Every field of an organization that a change can set, by its label. */
function fields(org: Organization): Record<string, string | undefined> {
  const pairs = Object.entries(org.metadata ?? {}).map(([key, value]) => [pairLabel(key), value]);
  return { Name: org.orgName, State: org.isActive ? "active" : "deactivated", "External id": org.externalId, ...Object.fromEntries(pairs) };
}

export const pairLabel = (key: string): string => `Metadata ${key}`;

/** Shows what somebody else changed, and lets the reader decide. */
export function Conflict({ changes }: { changes: Changes }) {
  const [error, setError] = useState<Failure>();
  const { pending } = changes;
  if (!pending) return null;
  const { base, theirs, change } = pending;
  const [before, now] = [fields(base), fields(theirs)];
  const labels = [...new Set([...Object.keys(before), ...Object.keys(now), ...Object.keys(change.yours)])];
  const rows = labels.filter((label) => before[label] !== now[label] || label in change.yours);
  const overlaps = rows.some((label) => label in change.yours && before[label] !== now[label]);
  const overwrite = async () => {
    setError(undefined);
    try {
      await changes.overwrite();
    } catch (e) {
      setError(asFailure(e));
    }
  };
  return (
    <Dialog title="Somebody else changed this organization" close={changes.leave} wide>
      <div class="dialog-body">
        <p>
          It changed <Time at={theirs.updatedAt} as="ago" />, after you opened it. {overlaps ? "You both changed the same field." : "The other change does not touch what you changed."}
        </p>
        <div class="table-scroll" role="region" aria-label="Yours and theirs" tabIndex={0}>
          <table class="compare">
            <thead>
              <tr>
                <th scope="col">Field</th>
                <th scope="col">When you opened it</th>
                <th scope="col">Theirs, now</th>
                <th scope="col">Yours</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((label) => (
                <tr key={label}>
                  <th scope="row">
                    <bdi>{label}</bdi>
                  </th>
                  <td>
                    <Value value={before[label]} />
                  </td>
                  <td class={before[label] !== now[label] ? "changed" : ""}>
                    <Value value={now[label]} />
                  </td>
                  <td class={label in change.yours ? "changed" : ""}>{label in change.yours ? <Value value={change.yours[label]} /> : <span class="none">unchanged</span>}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </div>
      <div role="alert">{error && <ErrorText error={error} />}</div>
      <footer>
        <button type="button" class="button" onClick={changes.take} data-focus>
          Take theirs
        </button>
        <button type="button" class={`button ${overlaps ? "danger" : "primary"}`} onClick={overwrite}>
          {overlaps ? "Overwrite with yours" : "Keep theirs and save yours"}
        </button>
      </footer>
    </Dialog>
  );
}

function Value({ value }: { value: string | undefined }) {
  return value === undefined ? <span class="none">none</span> : <Foreign class="wrap">{value === "" ? "(empty)" : value}</Foreign>;
}
