// Keeps a copy of an account's organizations and their members in copy.json.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

type Member = { userId?: string; roles?: string[] };
type Org = { [field: string]: any; updatedAt: string; members: Record<string, Member> }; // members by addedAt
type Copy = { cursor: string; orgs: Record<string, Org> };

// Repeats a request until it succeeds. 404 and 410 are returned too: the callers handle them.
async function get(path: string): Promise<any> {
  for (;; await sleep(1000)) {
    try {
      const headers = { Authorization: `Bearer ${process.env.ORGD_API_KEY}` };
      const response = await fetch(process.env.ORGD_URL + path, { headers, signal: AbortSignal.timeout(60_000) });
      if ([200, 404, 410].includes(response.status)) return await response.json();
      console.error(response.status, await response.text());
    } catch (error) {
      console.error(error);
    }
  }
}

async function* list(path: string, name: string) {
  for (let cursor = '', more = true; more; ) {
    const page = await get(path + cursor);
    yield* page[name] ?? []; // nothing after a 404: the organization has been deleted
    [cursor, more] = [`&cursor=${page.cursor}`, page.hasMore];
  }
}

async function begin(): Promise<Copy> {
  console.error('reading the lists');
  const { cursor } = await get('/v1/events?cursor=now'); // before the lists, so nothing is missed
  const orgs: Copy['orgs'] = {};
  for await (const org of list('/v1/orgs?limit=100', 'organizations')) orgs[org.orgId] = { ...org, members: {} };
  for (const id in orgs)
    for await (const member of list(`/v1/orgs/${id}/users?limit=100`, 'users')) orgs[id].members[member.addedAt] = member;
  return { cursor, orgs };
}

function apply(orgs: Copy['orgs'], e: any) {
  if (['org.created', 'org.imported'].includes(e.type) && e.after.orgName) // no name: it has been deleted since
    orgs[e.orgId] ??= { orgId: e.orgId, isActive: true, revision: 0, createdAt: e.occurredAt, updatedAt: '', members: {},
                        createdByApiKeyId: e.actorApiKeyId,
                        createdByUserId: e.after.createdAt ? e.userId : e.actorUserId }; // has a createdAt if imported
  const org = orgs[e.orgId];
  // Date has only milliseconds. Without the Z, these texts sort in the order of the times.
  if (!org || e.occurredAt.slice(0, -1) <= org.updatedAt.slice(0, -1)) return;
  org.updatedAt = e.occurredAt;
  if (['org.created', 'org.imported', 'org.updated', 'org.deactivated', 'org.reactivated'].includes(e.type)) org.revision++;
  if (['org.member_added', 'org.member_imported'].includes(e.type))
    org.members[e.after.addedAt ?? e.occurredAt] = { userId: e.userId, roles: e.after.roles };
  else if (e.type === 'org.member_updated') Object.assign(org.members[e.before.addedAt] ?? {}, e.after);
  else if (e.type === 'org.deleted') delete orgs[e.orgId];
  else Object.assign(org, e.after);
  if (e.type === 'org.member_removed' || e.type === 'org.user_erased') delete org.members[e.before.addedAt];
  org.userCount = Object.keys(org.members).length;
}

let copy: Copy = existsSync('copy.json') ? JSON.parse(readFileSync('copy.json', 'utf8')) : await begin();
for (;;) {
  // The copy and the cursor that it belongs to are written together, or not at all.
  writeFileSync('copy.json.new', JSON.stringify(copy), { flush: true });
  renameSync('copy.json.new', 'copy.json');
  const page = await get(`/v1/events?limit=100&wait=25&cursor=${copy.cursor}`);
  if (page.code === 'cursor_expired') copy = await begin();
  else {
    for (const event of page.events) apply(copy.orgs, event);
    copy.cursor = page.cursor;
  }
}
