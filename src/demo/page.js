const PART_BYTES = 1024 * 1024
const PARALLEL = 4
const ATTEMPTS = 5
const RENEW_BEFORE_MS = 60_000

const at = (id) => document.getElementById(id)
const { gatewayUrl, users } = await (await fetch('/settings.json')).json()
const stored = new Map(users.map((name) => [name, []]))
let user = users[0]
/** The one upload that is under way. */
let upload

async function callGateway(name, method, path, body) {
  const { token } = await (await fetch(`/token?user=${encodeURIComponent(name)}`)).json()
  const response = await fetch(gatewayUrl + path, {
    method,
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  })
  if (response.ok) return response
  const { detail, errors = [] } = await response.json()
  throw new Error([detail, ...errors.map((each) => `${each.field} ${each.message}`)].join(' '))
}

const callUpload = (it, method, action = '', body = undefined) =>
  callGateway(it.user, method, `/v1/uploads/${it.credentials.confirmKey}${action}`, body)

async function takeCredentials(it, response) {
  it.credentials = await response.json()
  const { headers } = response
  const lifetimeMs = Date.parse(headers.get('Upload-Expires')) - Date.parse(headers.get('Date'))
  it.endsAt = Date.now() + lifetimeMs
  at('until').textContent = `Credentials work until ${new Date(it.endsAt).toLocaleTimeString()}.`
}

/** At most one renewal at a time; those who come meanwhile share it. */
function renew(it) {
  it.renewing ??= callUpload(it, 'POST', '/renew')
    .then((response) => takeCredentials(it, response))
    .finally(() => {
      it.renewing = undefined
    })
  return it.renewing
}

async function start(file) {
  if (upload) return tell('One upload at a time: abort this one, or let it finish.')
  // 10,000 parts are the most that COS takes.
  const bytes = Math.max(PART_BYTES, 2 ** Math.ceil(Math.log2(file.size / 10_000)))
  const parts = Array.from({ length: Math.ceil(file.size / bytes) }, (_, index) => ({
    number: index + 1,
    blob: file.slice(index * bytes, (index + 1) * bytes),
    cell: document.createElement('li'),
  }))
  const it = { file, user, parts }
  upload = it
  at('upload-title').textContent = file.name
  at('parts').replaceChildren(...parts.map(({ cell }) => cell))
  at('bar').value = 0
  tell('Beginning')
  try {
    if (file.size === 0) throw new Error('This file is empty; an upload has at least one byte.')
    const wanted = { path: file.name, size: file.size }
    await takeCredentials(it, await callGateway(user, 'POST', '/v1/uploads', wanted))
    it.crc64 = crc64Of(file)
    it.crc64.catch(() => {}) // told when it is needed
  } catch (error) {
    return finish(it, error.message, 'bad')
  }
  await run(it)
}

/** Sends what has not arrived, and completes the upload when all has. Ends early when paused. */
async function run(it) {
  it.stop = new AbortController()
  const { signal } = it.stop
  tell('Uploading')
  const waiting = it.parts.filter(({ done }) => !done).values()
  const work = async () => {
    for (const part of waiting) await sendPart(it, part, signal)
  }
  try {
    await Promise.all(Array.from({ length: PARALLEL }, work))
    it.completing = true
    tell('Completing')
    const crc64 = await it.crc64
    const file = await (await callUpload(it, 'POST', '/complete', { crc64 })).json()
    stored.get(it.user).unshift({ ...file, same: file.crc64 === crc64 })
    showStored()
    finish(it, `Stored as ${file.path.join('/')}.`, 'good')
  } catch (error) {
    if (signal.aborted) return
    it.stop.abort()
    await callUpload(it, 'DELETE').catch(() => {})
    finish(it, error.message, 'bad')
  }
}

async function sendPart(it, part, signal) {
  for (let attempt = 1; ; attempt += 1) {
    signal.throwIfAborted()
    if (Date.now() > it.endsAt - RENEW_BEFORE_MS) await renew(it)
    const used = it.credentials
    show(it, part, 'sending')
    const { domain, path, uploadId, headers } = used
    const query = new URLSearchParams({ uploadId, partNumber: part.number })
    const url = `http://${domain}${path}?${query}`
    const request = fetch(url, { method: 'PUT', headers, body: part.blob, signal })
    const status = await request.then((response) => response.status).catch(() => 0)
    part.done = status === 200
    show(it, part, part.done ? 'done' : 'waiting')
    if (part.done) return
    if (attempt === ATTEMPTS) throw new Error(`Part ${part.number} does not arrive.`)
    // 403 is how COS answers expired credentials; another part may have renewed them already.
    if (status === 403 && used === it.credentials) await renew(it)
    if (status !== 403) await new Promise((resolve) => setTimeout(resolve, 500 * attempt))
  }
}

/** CRC-64/XZ of the local file, decimal. */
async function crc64Of(file) {
  const crc64 = await hashwasm.createCRC64()
  const reader = file.stream().getReader() // Safari cannot iterate over a stream.
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    crc64.update(read.value)
  }
  return BigInt(`0x${crc64.digest('hex')}`).toString()
}

function finish(it, text, kind) {
  if (upload === it) upload = undefined
  at('until').textContent = ''
  tell(text, kind)
}

function tell(text, kind = '') {
  at('status').textContent = text
  at('status').className = kind
  at('pause').textContent = upload?.stop?.signal.aborted ? 'Resume' : 'Pause'
  const idle = !upload?.stop || upload.completing
  for (const id of ['pause', 'renew', 'abort']) at(id).disabled = idle
}

function show(it, part, state) {
  part.cell.className = state
  part.cell.title = `Part ${part.number}: ${state}`
  const share = it.parts.filter(({ done }) => done).length / it.parts.length
  at('bar').value = share
  // Said aloud by screen readers, so only now and then.
  const percent = Math.floor(share * 4) * 25
  if (percent === it.percent || it.stop.signal.aborted) return
  it.percent = percent
  tell(`Uploading, ${percent} % has arrived`)
}

function showStored() {
  at('whose').textContent = user
  const items = stored.get(user).map(({ path, size, crc64, same }) => {
    const item = document.createElement('li')
    const check = document.createElement('div')
    check.className = same ? 'good' : 'bad'
    check.textContent = `CRC64 ${crc64}: ${same ? 'equal to' : 'DIFFERENT from'} the local file's`
    item.append(`${path.join('/')}, ${size.toLocaleString('en-US')} bytes`, check)
    return item
  })
  at('stored').replaceChildren(...items)
  at('none').hidden = items.length > 0
}

for (const name of users) {
  const label = document.createElement('label')
  const input = document.createElement('input')
  Object.assign(input, { type: 'radio', name: 'user', checked: name === user })
  input.addEventListener('change', () => {
    user = name
    showStored()
  })
  label.append(input, ` ${name} `)
  at('users').append(label)
}
showStored()

at('file').addEventListener('change', ({ target }) => {
  if (target.files[0]) start(target.files[0])
})
at('file').addEventListener('click', ({ target }) => {
  target.value = '' // so that the same file can be chosen again
})
for (const type of ['dragover', 'dragleave', 'drop']) {
  at('drop').addEventListener(type, (event) => {
    event.preventDefault()
    at('drop').classList.toggle('over', type === 'dragover')
    if (type === 'drop' && event.dataTransfer.files[0]) start(event.dataTransfer.files[0])
  })
}
at('pause').addEventListener('click', () => {
  if (upload.stop.signal.aborted) return run(upload)
  upload.stop.abort()
  tell('Paused')
})
at('renew').addEventListener('click', () => {
  // Said by the time until which they work.
  renew(upload).catch((error) => tell(error.message, 'bad'))
})
at('abort').addEventListener('click', async () => {
  const it = upload
  it.stop.abort()
  const said = callUpload(it, 'DELETE').then(() => 'Aborted; SMH has dropped what had arrived.')
  finish(it, await said.catch((error) => error.message))
})
