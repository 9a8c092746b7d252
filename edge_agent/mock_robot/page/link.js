/** The page's calls to the mock, with the pairing token where the mock asks for one. */

let token = sessionStorage.getItem("token") || "";
let asking = false;

/** Return the JSON that `path` answers; an Error carries the mock's message. `ask` returns a token. */
export async function call(path, ask, options = {}) {
  const headers = { ...(options.body ? { "Content-Type": "application/json" } : {}) };
  if (token) headers.Authorization = `Bearer ${token}`;
  const answer = await fetch(path, { ...options, headers });
  if (answer.status === 401 && !asking) {
    asking = true;
    const given = ask();
    asking = false;
    if (given) {
      token = given.trim();
      sessionStorage.setItem("token", token);
      return call(path, ask, options);
    }
  }
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.message || String(answer.status));
  return body;
}
