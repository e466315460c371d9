import { hasTool } from './service-process.ts';

/**
 * What a test's `skip` is to be when it needs these tools: a reason if one is missing. Where services are
 * required nothing is skipped: what is missing fails.
 */
export function lacking(...tools: readonly string[]): string | false {
  if (process.env['CARILLON_REQUIRE_SERVICES'] === '1') return false;
  const missing = tools.filter((tool) => !hasTool(tool));
  return missing.length > 0 && `needs ${missing.join(' and ')}`;
}
