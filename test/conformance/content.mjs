/**
 * What both fixture servers serve: the texts, media and schemas that the conformance scenarios name. Plain data;
 * each fixture says it in the words of its SDK.
 */

/** One red pixel. */
export const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==';
/** A WAV header and no samples. */
export const WAV = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=';

export const text = (value) => ({ type: 'text', text: value });
export const image = { type: 'image', data: PNG, mimeType: 'image/png' };
export const audio = { type: 'audio', data: WAV, mimeType: 'audio/wav' };
export const embedded = (uri, value, mimeType = 'text/plain') => ({
  type: 'resource',
  resource: { uri, mimeType, text: value },
});
export const user = (content) => ({ role: 'user', content });
export const reply = (value) => ({ content: [text(value)] });

/** Tools that take nothing, ask nothing and always answer the same. */
export const CONSTANT_TOOLS = {
  test_simple_text: [text('This is a simple text response for testing.')],
  test_image_content: [image],
  test_audio_content: [audio],
  test_embedded_resource: [embedded('test://embedded-resource', 'This is an embedded resource content.')],
  test_multiple_content_types: [
    text('Multiple content types test:'),
    image,
    embedded('test://mixed-content-resource', '{"test":"data","value":123}', 'application/json'),
  ],
};

export const CONSTANT_PROMPTS = {
  test_simple_prompt: [user(text('This is a simple prompt for testing.'))],
  test_prompt_with_image: [user(image), user(text('Please analyze the image above.'))],
};

export const WATCHED_URI = 'test://watched-resource';

export const STATIC_RESOURCES = {
  'test://static-text': {
    mimeType: 'text/plain',
    text: 'This is the content of the static text resource.',
  },
  'test://static-binary': { mimeType: 'image/png', blob: PNG },
  [WATCHED_URI]: { mimeType: 'text/plain', text: 'This resource can be watched for updates.' },
};

const object = (properties, required = Object.keys(properties)) => ({ type: 'object', properties, required });

/** The question of each tool that asks the user: message, then the schema of the answer. */
export const CONTACT_SCHEMA = object({
  username: { type: 'string', description: "User's response" },
  email: { type: 'string', description: "User's email address" },
});

export const DEFAULTS_SCHEMA = object(
  {
    name: { type: 'string', default: 'John Doe' },
    age: { type: 'integer', default: 30 },
    score: { type: 'number', default: 95.5 },
    status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
    verified: { type: 'boolean', default: true },
  },
  [],
);

const titled = (noun) =>
  ['First', 'Second', 'Third'].map((nth, index) => ({ const: `value${index + 1}`, title: `${nth} ${noun}` }));
const OPTIONS = ['option1', 'option2', 'option3'];

export const ENUMS_SCHEMA = object(
  {
    untitledSingle: { type: 'string', enum: OPTIONS },
    titledSingle: { type: 'string', oneOf: titled('Option') },
    legacyEnum: {
      type: 'string',
      enum: ['opt1', 'opt2', 'opt3'],
      enumNames: ['Option One', 'Option Two', 'Option Three'],
    },
    untitledMulti: { type: 'array', items: { type: 'string', enum: OPTIONS } },
    titledMulti: { type: 'array', items: { anyOf: titled('Choice') } },
  },
  [],
);

export const ask = (message, properties) => ({ message, requestedSchema: object(properties) });
export const ASK_NAME = ask('What is your name?', { name: { type: 'string' } });
export const ASK_CONFIRMATION = ask('Please confirm', { ok: { type: 'boolean' } });
export const ASK_STEP_1 = ask('Step 1: What is your name?', { name: { type: 'string' } });
export const ASK_STEP_2 = ask('Step 2: What is your favorite color?', { color: { type: 'string' } });
export const ASK_CONTEXT = ask('What context should the prompt use?', { context: { type: 'string' } });
export const ASK_VALUE = ask('Elicitation input', { value: { type: 'string' } });

/** `sampling/createMessage` for one question to the client's model. */
export const sample = (prompt, maxTokens = 50) => ({ messages: [user(text(prompt))], maxTokens });

export const templateText = (id) => JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` });

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
