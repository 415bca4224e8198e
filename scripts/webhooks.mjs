// Receives webhooks, verifies them with each secret of a file, and prints how many secrets
// verified, the type and the position.
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { Webhook } from 'standardwebhooks';

const server = createServer(async (request, response) => {
  let body = '';
  for await (const piece of request.setEncoding('utf8')) body += piece;
  const secrets = readFileSync(process.argv[2], 'utf8').trim().split('\n');
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
  console.log(verified.length, 'verified', event?.type, event?.data.position ?? '');
  response.writeHead(verified.length === 0 ? 400 : 204).end();
});
server.listen(0, '127.0.0.1', () => console.log(`listening http://127.0.0.1:${server.address().port}/hook`));
