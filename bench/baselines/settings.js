/** Settings of every server here, from the gateway's variables. */
export const settings = {
  upstream: process.env.SMH_ENDPOINT,
  libraryId: process.env.SMH_LIBRARY_ID,
  issuer: process.env.JWT_ISSUER,
  audience: process.env.JWT_AUDIENCE,
  jwksUrl: process.env.JWT_JWKS_URL,
  accessToken: 'acctk-bench',
}

/** The URL of SMH's begin for this user and path. */
export function beginUrl(user, { path, size }) {
  const query = new URLSearchParams({
    filesize: size,
    user_id: user,
    access_token: settings.accessToken,
  })
  const folder = `${settings.upstream}/api/v1/file/${settings.libraryId}/-/users`
  return `${folder}/${encodeURIComponent(user)}/${encodeURIComponent(path)}?multipart&${query}`
}

/** The fields of SMH's response that an app receives. */
export function projected({ domain, path, uploadId, headers, confirmKey }) {
  return { domain, path, uploadId, headers, confirmKey }
}

/** Prints the `listening` line of the gateway. */
export function listening(address) {
  console.log(JSON.stringify({ event: 'listening', address }))
}
