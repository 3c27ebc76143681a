import type { Fault } from '../../core/protocol/fault.ts';

/** Marks a response whose JSON body is a Fault: the front door makes the one problem document of it. */
export const FAULT_HEADER = 'x-tributary-fault';

/** A refusal on its way from an object to the front door. */
export const faultResponse = (fault: Fault): Response =>
  Response.json(fault, { status: 400, headers: { [FAULT_HEADER]: '1' } });
