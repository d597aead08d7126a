/**
 * The image's HEALTHCHECK: 0 when GET /health of the bridge in this container answers 200, else 1 and a sentence.
 * In JavaScript, so that the image needs no curl.
 */
import { get } from 'node:http';

const port = process.env.PORT || '3000';
// The bridge answers to the names of ALLOWED_HOSTS only, where they are set.
const host = process.env.ALLOWED_HOSTS?.split(',')[0]?.trim() || '127.0.0.1';

function fail(why) {
  console.error(`GET /health on port ${port}: ${why}`);
  process.exit(1);
}

get({ host: '127.0.0.1', port, path: '/health', headers: { host }, timeout: 5_000 }, (response) => {
  if (response.statusCode !== 200) fail(`status ${response.statusCode}; expected 200`);
  process.exit(0);
})
  .on('timeout', () => fail('no answer within 5 s'))
  .on('error', (error) => fail(error.message));
