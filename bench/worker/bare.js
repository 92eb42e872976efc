// The floor of Workers: a fetch handler that forwards the begin and returns the named fields. No other duty.
export default {
  async fetch(request, env) {
    const { path, size } = await request.json()
    const url =
      `${env.SMH_ENDPOINT}/api/v1/file/${env.SMH_LIBRARY_ID}/-/users/${encodeURIComponent(path)}` +
      `?multipart&filesize=${size}&user_id=user&access_token=acctk-bench`
    const reply = await fetch(url, { method: 'POST' })
    const task = await reply.json()
    const { domain, path: objectPath, uploadId, headers, confirmKey } = task
    const body = { domain, path: objectPath, uploadId, headers, confirmKey }
    return Response.json(body, { status: 201 })
  },
}
