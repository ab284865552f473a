import {
  MAX_COSIGNATURE_BYTES,
  MAX_ENTRIES_PER_REQUEST,
  MAX_INTEGER,
  MAX_VERDICT_BYTES,
  parseTilePath,
  tilePath,
} from '@meterseal/protocol';

/** Where a request of the comparison goes, or why it goes nowhere. */
export type Route =
  | {
      readonly kind: 'forward';
      readonly method: 'GET' | 'POST';
      /** Written anew from what was parsed: nothing of the request's own text is passed on. */
      readonly path: string;
      /** Bytes that the body may have; 0 for none. */
      readonly bodyLimit: number;
    }
  | { readonly kind: 'refuse'; readonly status: 400 | 404 | 405; readonly allow?: string };

/**
 * The comparison protocol, whole: what is not listed here does not pass the gate.
 *
 * @param method as received
 * @param url path and query as received, from anybody
 */
export function routeComparison(method: string, url: string): Route {
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  const query = mark < 0 ? null : url.slice(mark + 1);
  switch (path) {
    case '/checkpoint':
      return get(method, query === null ? path : null);
    case '/entries':
      return get(method, rangePath(path, query, MAX_ENTRIES_PER_REQUEST));
    case '/consistency':
      return get(method, rangePath(path, query, MAX_INTEGER));
    case '/verdicts':
      return post(method, path, query, MAX_VERDICT_BYTES);
    case '/cosignatures':
      return post(method, path, query, MAX_COSIGNATURE_BYTES);
  }
  if (path.startsWith('/tile/')) return get(method, query === null ? knownTile(path) : null);
  if (/^\/verdicts\/[0-9a-f]{64}$/.test(path)) return get(method, query === null ? path : null);
  return { kind: 'refuse', status: 404 };
}

function get(method: string, path: string | null): Route {
  if (method !== 'GET') return { kind: 'refuse', status: 405, allow: 'GET' };
  if (path === null) return { kind: 'refuse', status: 400 };
  return { kind: 'forward', method, path, bodyLimit: 0 };
}

function post(method: string, path: string, query: string | null, bodyLimit: number): Route {
  if (method !== 'POST') return { kind: 'refuse', status: 405, allow: 'POST' };
  if (query !== null) return { kind: 'refuse', status: 400 };
  return { kind: 'forward', method, path, bodyLimit };
}

function rangePath(path: string, query: string | null, most: number): string | null {
  const parts = /^from=(0|[1-9][0-9]{0,15})&to=(0|[1-9][0-9]{0,15})$/.exec(query ?? '');
  if (parts === null) return null;
  const [from, to] = [Number(parts[1]), Number(parts[2])];
  return to <= MAX_INTEGER && from <= to && to - from <= most ? `${path}?from=${from}&to=${to}` : null;
}

function knownTile(path: string): string | null {
  try {
    return `/${tilePath(parseTilePath(path.slice(1)))}`;
  } catch {
    return null;
  }
}
