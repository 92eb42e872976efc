import fc from 'fast-check'

/** What has broken other parsers, joined to texts in which any two of them may meet. */
const pieces = [
  ...['..', '.', '/', '\\', '//', '../', '..\\', '/..', '%2e', '%2E', '%252e', '%25252e', '%2f'],
  ...[
    '%2F',
    '%252f',
    '%5c',
    '%255C',
    '%00',
    '%2500',
    '%c0%ae',
    '%c0%af',
    '%u002e',
    '%ff',
    '%',
    '%%',
  ],
  ...['\u2215', '\uff0f', '\u2044', '\uff3c', '\u29f8', '\uff0e', '\u2025', '\u2024', '\uff05'],
  ...[
    '\0',
    '\n',
    '\r\n',
    '\t',
    '\u007f',
    '\u0085',
    '\u2028',
    '\u202e',
    '\u200b',
    '\ufeff',
    '\u3000',
  ],
  ...[
    '\ud800',
    '\udc00',
    '\u{1f600}',
    '\u{10ffff}',
    'e\u0301',
    '\u00e9',
    '\u212a',
    '\u0130',
    '\ufb01',
  ],
  ...[
    '*',
    '?',
    '"',
    '<',
    '>',
    '|',
    ':',
    ';',
    '&',
    '=',
    '#',
    '+',
    ' ',
    "'",
    '`',
    '~',
    '$',
    '{',
    '}',
  ],
  ...['__proto__', 'constructor', 'toString', 'users', 'bob', 'ann', 'CON', 'a', 'b', 'clip.mp4'],
  ...['multipart', 'confirm', 'upload', 'access_token', 'x-smh-meta-a', '1e400', '0', '-1'],
]

/** Any code unit, halves of characters among them. */
const codeUnit = fc.nat(0xffff).map((code) => String.fromCharCode(code))

export const hostileText = fc.oneof(
  {
    weight: 9,
    arbitrary: fc
      .array(
        fc.oneof(
          { weight: 6, arbitrary: fc.constantFrom(...pieces) },
          { weight: 1, arbitrary: codeUnit },
        ),
        { maxLength: 12 },
      )
      .map((parts) => parts.join('')),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom('a', '/', '../', '%2e', '\u{1f600}', '\ud800'), fc.nat(1100))
      .map(([text, times]) => text.repeat(times)),
  },
)

/** Numbers at the edges of what can be written, counted and kept. */
const hostileNumber = fc.constantFrom(
  ...[
    0,
    -0,
    -1,
    0.5,
    1e-7,
    1e21,
    1e300,
    2 ** 31,
    2 ** 32,
    2 ** 53,
    2 ** 53 - 1,
    2 ** 63,
    -(2 ** 63),
  ],
  ...[102_399, 102_400, 104_857_600, 104_857_601, 5_368_709_120, 5_368_709_121],
)

/** Any value of JSON, with more of what is hostile than of anything else. */
export const hostileJson: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: hostileText },
  { weight: 3, arbitrary: hostileNumber },
  fc.constantFrom(null, true, false, [], {}, [[]], { length: 1 }),
  fc.array(hostileText, { maxLength: 25 }),
  fc.nat(3000).map(nested),
  fc.jsonValue(),
)

function nested(depth: number): unknown {
  let value: unknown = 'deep'
  for (let level = 0; level < depth; level += 1) value = level % 2 ? [value] : { value }
  return value
}
