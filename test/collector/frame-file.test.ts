import { FrameFile } from '@meterseal/node-red-meterseal/internal/storage/frame-file';
import type { FrameFormat } from '@meterseal/node-red-meterseal/internal/storage/frame-scanner';
import { FRAME_HEADER_BYTES, putFrame } from '@meterseal/node-red-meterseal/internal/storage/frame-scanner';
import t from 'tap';
import { MemoryStorage } from './memory-storage.js';

const FORMAT: FrameFormat = { lead: 0, most: 1_024 };
const PATH = '/frames';

function frame(text: string): Uint8Array {
  const content = Buffer.from(text);
  const bytes = new Uint8Array(FRAME_HEADER_BYTES + content.length);
  putFrame(bytes, 0, new Uint8Array(0), content);
  return bytes;
}

async function open(storage: MemoryStorage): Promise<{ file: FrameFile; seen: string[] }> {
  const seen: string[] = [];
  const file = await FrameFile.open(
    storage,
    PATH,
    { format: FORMAT, what: 'frames', repair: true },
    (_at, body) => seen.push(Buffer.from(body).toString()),
  );
  return { file, seen };
}

t.test(
  'what a killed process has written and not synced is on the disk before it is built upon',
  async (t) => {
    const storage = new MemoryStorage();
    const { file } = await open(storage);
    await file.append(frame('first'));
    // The write is done, and the process ends before the sync that follows it.
    storage.failAt(1, 'not-applied');
    await t.rejects(file.append(frame('second')), { code: 'commit-failed' });
    storage.heal();

    const again = await open(storage);
    t.strictSame(again.seen, ['first', 'second'], 'the next process sees it');
    storage.crash('lost');
    t.strictSame(
      (await open(storage)).seen,
      ['first', 'second'],
      'and a power cut does not take it away any more',
    );
  },
);
