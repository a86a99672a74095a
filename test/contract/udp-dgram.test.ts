import { DgramUdp } from '../../src/platform/transport/udp-dgram.ts'
import { udpContract } from './udp.ts'

udpContract('node:dgram', DgramUdp.open)
