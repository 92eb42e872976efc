/** What every server here is told, by the names that the gateway has for them. */
export const settings = {
  upstream: process.env.SMH_ENDPOINT,
  libraryId: process.env.SMH_LIBRARY_ID,
  issuer: process.env.JWT_ISSUER,
  audience: process.env.JWT_AUDIENCE,
  jwksUrl: process.env.JWT_JWKS_URL,
  accessToken: 'acctk-bench',
}

/** Where SMH begins the upload of `name` for this user. */
export function beginUrl(user, { path, size }) {
  const query = new URLSearchParams({
    filesize: size,
    user_id: user,
    access_token: settings.accessToken,
  })
  const folder = `${settings.upstream}/api/v1/file/${settings.libraryId}/-/users`
  return `${folder}/${encodeURIComponent(user)}/${encodeURIComponent(path)}?multipart&${query}`
}

/** What an app gets to see of SMH's answer. */
export function projected({ domain, path, uploadId, headers, confirmKey }) {
  return { domain, path, uploadId, headers, confirmKey }
}

/** Tells that the server is there, as the gateway does. */
export function listening(address) {
  console.log(JSON.stringify({ event: 'listening', address }))
}
