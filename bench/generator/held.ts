/** What an object of this process keeps in its private maps, sets and lists, and the heap without garbage. */
import { type Runtime, Session } from 'node:inspector/promises';

export interface Held {
  readonly heapBytes: number;
  /** By the field's name; one of an object in a private field has both names. */
  readonly entries: Readonly<Record<string, number>>;
}

const SIZE = /^(?:Map|Set|Array)\((\d+)\)$/;
/** Where the inspector, which evaluates text alone, finds the object. */
const PLACE = 'benchHeldObject';

export async function heldBy(object: object): Promise<Held> {
  const session = new Session();
  session.connect();
  Reflect.set(globalThis, PLACE, object);
  try {
    const { result } = await session.post('Runtime.evaluate', { expression: PLACE });
    const entries: Record<string, number> = {};
    await count(session, result.objectId, '', entries);
    await session.post('HeapProfiler.collectGarbage');
    return { heapBytes: process.memoryUsage().heapUsed, entries };
  } finally {
    Reflect.deleteProperty(globalThis, PLACE);
    session.disconnect();
  }
}

/** The types of Node know nothing of private fields; its inspector does. */
interface Fields {
  readonly privateProperties?: readonly { readonly name: string; readonly value?: Runtime.RemoteObject }[];
}

async function count(
  session: Session,
  objectId: string | undefined,
  prefix: string,
  entries: Record<string, number>,
): Promise<void> {
  if (objectId === undefined) return;
  const fields = (await session.post('Runtime.getProperties', {
    objectId,
    ownProperties: true,
  })) as Runtime.GetPropertiesReturnType & Fields;
  for (const { name, value } of fields.privateProperties ?? []) {
    const size = SIZE.exec(value?.description ?? '')?.[1];
    if (size !== undefined) entries[prefix + name.slice(1)] = Number(size);
    else if (prefix === '' && value?.className !== 'Object')
      await count(session, value?.objectId, `${name.slice(1)}.`, entries);
  }
}
