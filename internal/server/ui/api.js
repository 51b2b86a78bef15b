// The API, relative to this folder, so that a proxy may serve it below a path.

const base = new URL("../api/v1/", import.meta.url);
const patience = 15000;

export function address(path, params = {}) {
  const url = new URL(path, base);
  for (const [name, value] of Object.entries(params)) {
    if (value !== "" && value !== null && value !== undefined) url.searchParams.set(name, value);
  }
  return url;
}

export const ofQuery = (name, what) => `queries/${encodeURIComponent(name)}/${what}`;

async function answer(response) {
  let body = null;
  try {
    body = await response.json();
  } catch {
    // Said below: the status is all there is.
  }
  if (!response.ok) throw new Error(body?.error || `the server answered ${response.status}`);
  if (body === null) throw new Error("the server's answer is no JSON");
  return body;
}

export async function get(path, params) {
  const response = await fetch(address(path, params), { signal: AbortSignal.timeout(patience), cache: "no-store" });
  return answer(response);
}

export async function act(method, path, token, body) {
  const headers = { Authorization: `Bearer ${token}` };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await fetch(address(path), { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  return answer(response);
}
