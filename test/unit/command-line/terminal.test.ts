import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { askSilently } from '../../../src/command-line/terminal.ts'

function ask(typed: string) {
  const [input, output] = [new PassThrough(), new PassThrough()]
  const answers = askSilently(['Password: ', 'Again: '], input, output)
  input.write(typed)
  return { answers, shown: () => String(output.read() ?? '') }
}

test('two answers, also when both were typed ahead; neither is shown', async () => {
  const { answers, shown } = ask('secret\nsecret\n')
  assert.deepEqual(await answers, ['secret', 'secret'])
  assert.equal(shown(), 'Password: \nAgain: \n')
})

test('an empty first answer is not asked again', async () => {
  const { answers, shown } = ask('\n')
  assert.deepEqual(await answers, ['', ''])
  assert.equal(shown(), 'Password: \n')
})

test('Ctrl-C gives up', async () => {
  await assert.rejects(ask('sec\u0003').answers, /given up; nothing was changed/)
})
