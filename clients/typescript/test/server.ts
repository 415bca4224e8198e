// A server for the tests. It answers each request with the next of the given responses.
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";

export interface Seen {
  method: string;
  url: string;
  headers: IncomingHttpHeaders;
  body: string;
}

type Answer = { status?: number; headers?: Record<string, string>; json?: unknown; text?: string } | ((response: ServerResponse) => void);

export async function serve(t: TestContext, ...answers: Answer[]): Promise<{ baseUrl: string; seen: Seen[] }> {
  const seen: Seen[] = [];
  const server = createServer(async (request, response) => {
    const answer = answers[seen.length];
    const record: Seen = { method: request.method ?? "", url: request.url ?? "", headers: request.headers, body: "" };
    seen.push(record);
    for await (const chunk of request) record.body += String(chunk);
    if (!answer) throw new Error(`unexpected request: ${record.method} ${record.url}`);
    if (typeof answer === "function") return answer(response);
    const body = answer.text ?? (answer.json === undefined ? "" : JSON.stringify(answer.json));
    response.writeHead(answer.status ?? 200, { "Content-Type": "application/json", ...answer.headers }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

export function problem(status: number, code: string, headers: Record<string, string> = {}, more: object = {}): Answer {
  const detail = `What is wrong: ${code}.`;
  return {
    status,
    headers: { "Content-Type": "application/problem+json", ...headers },
    json: { type: `/problems/${code}`, title: "Title", status, detail, code, message: detail, requestId: "r1", ...more },
  };
}

export const hangUp: Answer = (response) => response.destroy();
