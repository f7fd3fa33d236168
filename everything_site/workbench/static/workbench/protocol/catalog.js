/** What the server itself says that it has: tools, resources, templates, prompts and skills. */

const LISTS = {
  tools: { method: "tools/list", key: "tools", capability: "tools" },
  resources: { method: "resources/list", key: "resources", capability: "resources" },
  templates: { method: "resources/templates/list", key: "resourceTemplates", capability: "resources" },
  prompts: { method: "prompts/list", key: "prompts", capability: "prompts" },
  skills: { method: "skills/list", key: "skills", extension: "io.modelcontextprotocol/skills" },
};

const CHANGED = {
  "notifications/tools/list_changed": ["tools"],
  "notifications/resources/list_changed": ["resources", "templates"],
  "notifications/prompts/list_changed": ["prompts"],
};

/** Dispatches `change` when a list is new, or longer. */
export class Catalog extends EventTarget {
  constructor(client) {
    super();
    this.client = client;
    this.lists = Object.fromEntries(Object.keys(LISTS).map((kind) => [kind, { items: [], cursor: null, isLoaded: false, error: null }]));
    client.addEventListener("notification", ({ detail }) => {
      for (const kind of CHANGED[detail.message.method] ?? []) this.load(kind);
    });
  }

  /** Whether the server offers a kind of feature at this revision. */
  offers(kind) {
    const { capability, extension } = LISTS[kind];
    const { capabilities = {} } = this.client.server ?? {};
    return capability ? capability in capabilities : extension in (capabilities.extensions ?? {});
  }

  loadAll() {
    return Promise.all(Object.keys(LISTS).filter((kind) => this.offers(kind)).map((kind) => this.load(kind)));
  }

  /** Load the first page of a list anew. */
  async load(kind) {
    await this.#page(kind, {});
  }

  /** Load the next page, if there is one. */
  async more(kind) {
    const { cursor } = this.lists[kind];
    if (cursor) await this.#page(kind, { cursor });
  }

  async #page(kind, params) {
    const { method, key } = LISTS[kind];
    const list = this.lists[kind];
    try {
      const result = await this.client.request(method, params, { lane: "Session" });
      const before = "cursor" in params ? list.items : [];
      Object.assign(list, { items: [...before, ...(result[key] ?? [])], cursor: result.nextCursor ?? null, isLoaded: true, error: null });
    } catch (error) {
      Object.assign(list, { isLoaded: true, error });
    }
    if (kind === "tools") this.client.tools = new Map(list.items.map((tool) => [tool.name, tool]));
    this.dispatchEvent(new Event("change"));
  }

  find(kind, name) {
    const id = { resources: "uri", templates: "uriTemplate", skills: "uri" }[kind] ?? "name";
    return this.lists[kind].items.find((item) => item[id] === name) ?? null;
  }
}

/** How a feature is called: its title, else its name. */
export const titleOf = (item) => item.title ?? item.annotations?.title ?? item.name ?? item.uri;
