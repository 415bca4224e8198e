// Receives webhooks, verifies them with each secret of a file, and prints how many secrets
// matched, the type and the position. While the file is empty, it answers 503: the first
// event may arrive before the response to the creation, which has the secret.
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { Webhook } from 'standardwebhooks';

const server = createServer(async (request, response) => {
  let body = '';
  for await (const piece of request.setEncoding('utf8')) body += piece;
  const secrets = readFileSync(process.argv[2], 'utf8').split('\n').filter(Boolean);
  if (secrets.length === 0) {
    response.writeHead(503).end();
    return;
  }
  let event;
  const verified = secrets.filter((secret) => {
    try {
      event = new Webhook(secret).verify(body, request.headers);
      return true;
    } catch (error) {
      console.log('wrong', error.message, body);
      return false;
    }
  });
  const secret = verified.length === 1 ? 'secret' : 'secrets';
  const position = event?.data.position === undefined ? '' : ` at ${event.data.position}`;
  console.log(`${verified.length} ${secret} verified ${event?.type ?? 'the request'}${position}`);
  response.writeHead(verified.length === 0 ? 400 : 204).end();
});
server.listen(0, '127.0.0.1', () => console.log(`listening http://127.0.0.1:${server.address().port}/hook`));
