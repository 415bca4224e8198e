import type { components, paths } from "@orgd/client";
import { Fragment } from "preact";
import { Foreign, shortId, Time, valueText } from "./format";
import { KeyName, useKeys } from "./keynames";
import { Link } from "./router";
import { can } from "./session";

export type Event = components["schemas"]["Event"];

/** A type that the feed can be filtered by. */
export type EventType = NonNullable<NonNullable<paths["/v1/events"]["get"]["parameters"]["query"]>["type"]>[number];

/** What each type of event means. Later releases add types, which are shown as they are. */
export const typeTexts: Readonly<Record<EventType, string>> = {
  "org.created": "Organization created",
  "org.imported": "Organization imported",
  "org.updated": "Organization changed",
  "org.deactivated": "Organization deactivated",
  "org.reactivated": "Organization reactivated",
  "org.deleted": "Organization deleted",
  "org.member_added": "Member added",
  "org.member_imported": "Member imported",
  "org.member_updated": "Roles changed",
  "org.member_removed": "Member removed",
  "org.user_erased": "User erased from the organization",
  "user.erased": "User erased",
  "api_key.created": "API key created",
  "api_key.updated": "API key changed",
  "api_key.rotated": "API key rotated",
  "api_key.revoked": "API key revoked",
  "webhook.created": "Webhook created",
  "webhook.updated": "Webhook changed",
  "webhook.enabled": "Webhook enabled",
  "webhook.disabled": "Webhook disabled",
  "webhook.replayed": "Webhook replayed",
  "webhook.deleted": "Webhook deleted",
  "webhook.secret_rotated": "Webhook secret rotated",
  "account.created": "Account created",
  "account.suspended": "Account suspended",
  "account.resumed": "Account resumed",
};

export const eventTypes = Object.keys(typeTexts) as EventType[];

export const typeText = (type: string): string => (typeTexts as Readonly<Record<string, string>>)[type] ?? type;

const fieldTexts: Readonly<Record<string, string>> = {
  orgName: "Name",
  externalId: "External id",
  isActive: "Active",
  roles: "Roles",
  description: "Description",
  expiresAt: "Expires",
  scopes: "Scopes",
  rateLimit: "Requests per second",
  url: "Host",
  types: "Types",
  isEnabled: "Enabled",
  disabledReason: "Reason",
  position: "Position",
  hint: "Key",
  createdAt: "Created",
};

/** A field that an event changed. Undefined means that there was, or is, no value. */
export interface FieldChange {
  label: string;
  before?: string | undefined;
  after?: string | undefined;
}

// What says nothing to people, or what the title of the event says already.
const unshown = new Set(["addedAt", "isActive", "isEnabled", "createdByUserId", "revokedAt"]);

export function changesOf({ before, after }: Event): FieldChange[] {
  const [old, now] = [before as Record<string, unknown>, after as Record<string, unknown>];
  const changes: FieldChange[] = [];
  for (const name of new Set([...Object.keys(old), ...Object.keys(now)])) {
    if (name === "metadata") changes.push(...pairChanges(old[name], now[name]));
    else if (!unshown.has(name)) changes.push({ label: fieldTexts[name] ?? name, before: text(name, old[name]), after: text(name, now[name]) });
  }
  return changes.filter((c) => c.before !== c.after);
}

function text(name: string, value: unknown): string | undefined {
  if (value === undefined || value === null || (Array.isArray(value) && !value.length)) return undefined;
  if (name === "rateLimit" && value === 0) return "no limit";
  if (/At$/.test(name) && typeof value === "string") return new Date(value).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  return valueText(value);
}

function pairChanges(before: unknown, after: unknown): FieldChange[] {
  const [old, now] = [(before ?? {}) as Record<string, string>, (after ?? {}) as Record<string, string>];
  return [...new Set([...Object.keys(old), ...Object.keys(now)])].sort().map((key) => ({ label: key, before: own(old, key), after: own(now, key) }));
}

const own = (map: Record<string, string>, key: string): string | undefined => (Object.hasOwn(map, key) ? map[key] : undefined);

interface EventListProps {
  events: readonly Event[];
  label: string;
  /** The names of organizations, where the list is about several objects. */
  names?: ReadonlyMap<string, string>;
  isAboutOne?: boolean;
}

export function EventList({ events, label, names, isAboutOne }: EventListProps) {
  return (
    <ol class="events" aria-label={label}>
      {events.map((event) => (
        <li key={event.eventId}>
          <EventItem event={event} names={names} isAboutOne={isAboutOne} />
        </li>
      ))}
    </ol>
  );
}

function EventItem({ event, names, isAboutOne }: { event: Event; names: EventListProps["names"]; isAboutOne: boolean | undefined }) {
  const keys = useKeys();
  // What an object was called at its creation is mostly what the title of the event shows.
  const shownName = isAboutOne ? undefined : nameOf(event, names, keys);
  const changes = changesOf(event).filter((c) => c.before !== undefined || c.after === undefined || c.after !== shownName);
  return (
    <>
      <span class={`dot ${event.type.replace(".", " ").replaceAll("_", "-")}`} aria-hidden="true" />
      <div class="event">
        <p class="event-title">
          <strong title={event.type}>{typeText(event.type)}</strong>
          {!isAboutOne && <Subject event={event} names={names} />}
          {event.userId !== undefined && <Foreign class="cut mono">{event.userId}</Foreign>}
          <span class="event-by">
            {event.actorApiKeyId ? <>with key <KeyName id={event.actorApiKeyId} /></> : "by the operator"}
            {event.actorUserId !== undefined && (
              <>
                {" "}
                for <Foreign class="cut mono">{event.actorUserId}</Foreign>
              </>
            )}
          </span>
          <span class="event-at">
            <span class="request" title={`Request ${event.requestId}`}>
              request <code>{event.requestId.slice(0, 8)}</code>
            </span>{" "}
            <Time at={event.occurredAt} as="ago" />
          </span>
        </p>
        {changes.length > 0 && (
          <dl class="changes">
            {changes.map((change) => (
              <Fragment key={change.label}>
                <dt>
                  <bdi class="wrap">{change.label}</bdi>
                </dt>
                <dd>
                  {change.before !== undefined && (
                    <del>
                      <span class="hidden">before: </span>
                      <bdi class="wrap">{change.before || "(empty)"}</bdi>
                    </del>
                  )}
                  {change.before !== undefined && <span class="arrow" aria-hidden="true">→</span>}
                  {change.after !== undefined ? (
                    <ins>
                      <span class="hidden">after: </span>
                      <bdi class="wrap">{change.after || "(empty)"}</bdi>
                    </ins>
                  ) : (
                    <span class="none">removed</span>
                  )}
                </dd>
              </Fragment>
            ))}
          </dl>
        )}
      </div>
    </>
  );
}

function nameOf(event: Event, names: EventListProps["names"], keys: ReturnType<typeof useKeys>): string | undefined {
  if (event.orgId !== undefined) return names?.get(event.orgId);
  return event.apiKeyId !== undefined ? keys?.get(event.apiKeyId)?.description : undefined;
}

function Subject({ event, names }: { event: Event; names: EventListProps["names"] }) {
  if (event.orgId !== undefined) {
    const name = names?.get(event.orgId);
    const text = name === undefined ? <code title={event.orgId}>{shortId(event.orgId)}</code> : <Foreign class="cut">{name}</Foreign>;
    return can("orgs:read") ? <Link to={`/organizations/${event.orgId}`}>{text}</Link> : text;
  }
  if (event.apiKeyId !== undefined) return <KeyName id={event.apiKeyId} />;
  if (event.webhookId !== undefined) {
    const text = <code title={event.webhookId}>{shortId(event.webhookId)}</code>;
    return can("webhooks:manage") ? <Link to={`/webhooks/${event.webhookId}`}>{text}</Link> : text;
  }
  return null;
}
