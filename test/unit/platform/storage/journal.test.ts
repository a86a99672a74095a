import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { batchHeaderLength, Journal, readJournal } from '../../../../src/platform/storage/journal.ts'

function directoryFor(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'porchlight-journal-'))
  t.after(() => rmSync(directory, { recursive: true }))
  return directory
}

function append(journal: Journal, text: string): void {
  const buffer = Buffer.alloc(batchHeaderLength + text.length)
  buffer.write(text, batchHeaderLength, 'latin1')
  journal.append(buffer, batchHeaderLength, buffer.length)
}

function read(directory: string, after: number): string[] {
  return readJournal(directory, after).map(({ sequence, buffer, start, end }) => {
    return `${sequence} ${buffer.toString('latin1', start, end)}`
  })
}

test('batches are read back in order, those the database has already left out, across both files', t => {
  const directory = directoryFor(t)
  const journal = new Journal(directory, 7, 1000)
  append(journal, 'a')
  append(journal, 'b')
  journal.rotate()
  append(journal, 'c')
  assert.equal(journal.sequence, 10)
  assert.deepEqual(read(directory, 7), ['8 a', '9 b', '10 c'])
  assert.deepEqual(read(directory, 9), ['10 c'])
  assert.deepEqual(read(directory, 10), [])
  journal.close()
})

test('nothing is taken after a gap', t => {
  const directory = directoryFor(t)
  const journal = new Journal(directory, 0, 1000)
  append(journal, 'a')
  assert.deepEqual(read(directory, 3), [])
  journal.close()
})

test('what an earlier use of the file left behind the last batch is not read', t => {
  const directory = directoryFor(t)
  const journal = new Journal(directory, 0, 1000)
  for (const text of ['one', 'two', 'three', 'four']) append(journal, text)
  journal.rotate()
  journal.release()
  append(journal, 'five')
  journal.rotate()
  append(journal, 'six')
  assert.deepEqual(read(directory, 4), ['5 five', '6 six'])
  journal.close()
})

test('a file still needed is not used again', t => {
  const journal = new Journal(directoryFor(t), 0, 1000)
  append(journal, 'a')
  journal.rotate()
  assert.throws(() => journal.rotate())
  journal.release()
  journal.rotate()
  journal.close()
})

test('sync resolves when all that was appended before is on disk; a file grown large is cut when used again', async t => {
  const directory = directoryFor(t)
  const journal = new Journal(directory, 0, 1000)
  append(journal, 'x'.repeat(5000))
  await Promise.all([journal.sync(), journal.sync()])
  journal.rotate()
  journal.release()
  journal.rotate()
  assert.equal(statSync(join(directory, 'journal-0')).size, 1000)
  journal.close()
})
