import type { RouteName } from './route-names.ts'

const BEGIN = [
  'admin',
  'space_admin',
  'upload_file',
  'upload_file_force',
  'begin_upload',
  'begin_upload_force',
]
const CONFIRM = ['admin', 'space_admin', 'upload_file', 'upload_file_force', 'confirm_upload']

/**
 * The grants that allow a call; one of them is enough (docs/smh-protocol.md#3.7). Other calls need
 * none.
 */
const SUFFICIENT: Partial<Record<RouteName, string[]>> = {
  'begin-multipart': BEGIN,
  'begin-simple': BEGIN,
  'begin-form': BEGIN,
  renew: BEGIN,
  status: BEGIN,
  cancel: BEGIN,
  confirm: CONFIRM,
  'create-directory': ['admin', 'space_admin', 'create_directory'],
  'file-delete': ['admin', 'space_admin', 'delete_file', 'delete_file_permanent'],
  'directory-delete': ['admin', 'space_admin', 'delete_directory', 'delete_directory_permanent'],
  'create-space': ['admin', 'create_space'],
  'delete-space': ['admin', 'delete_space'],
  'set-space-extension': ['admin', 'space_admin'],
  'set-space-traffic-limit': ['admin', 'space_admin'],
  'library-usage': ['admin'],
  'get-quota': ['admin'],
  'create-quota': ['admin'],
}

/** Grants that allow `overwrite` in a begin (docs/smh-protocol.md#3.6). */
const MAY_OVERWRITE = ['admin', 'space_admin', 'upload_file_force', 'begin_upload_force']

/** Whether one of the token's grants allows the call. */
export function isGranted(grants: ReadonlySet<string>, route: RouteName): boolean {
  const sufficient = SUFFICIENT[route]
  return sufficient === undefined || sufficient.some((grant) => grants.has(grant))
}

/** Whether the token may replace existing files. */
export function mayOverwrite(grants: ReadonlySet<string>): boolean {
  return MAY_OVERWRITE.some((grant) => grants.has(grant))
}
