import { type Config, ConfigurationError, parseConfig } from '../../src/gateway/config/parse.ts'

/** Everything that a configuration must have. */
export const requiredVariables = {
  SMH_LIBRARY_ID: 'smh0lib',
  SMH_LIBRARY_SECRET: 'library-secret-value',
  JWT_ISSUER: 'https://login.example.com/',
  JWT_AUDIENCE: 'uploads',
  UPLOAD_PATH_PREFIX: 'users/{sub}',
}

/** The configuration of the required variables and `more`. */
export function parseWith(more: Record<string, unknown> = {}): Config {
  return parseConfig({ ...requiredVariables, ...more })
}

/** The error of a configuration that is not valid. */
export function configurationErrorOf(environment: Record<string, unknown>): ConfigurationError {
  try {
    parseConfig(environment)
  } catch (error) {
    if (error instanceof ConfigurationError) return error
    throw error
  }
  throw new Error('The configuration is valid.')
}

/** Names of the variables that have an issue when `more` is added to the required variables. */
export function variablesWithIssues(more: Record<string, unknown>): string[] {
  return configurationErrorOf({ ...requiredVariables, ...more }).issues.map(
    (issue) => issue.variable,
  )
}
